"""Versions and guarded amounts."""
