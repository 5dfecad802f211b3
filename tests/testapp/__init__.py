"""The test site's app."""
