"""Conformance suites for anybody's backend, and the faults they need; not imported at run time."""
