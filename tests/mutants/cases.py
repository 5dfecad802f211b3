"""Which tests of some classes a fault fails; for tests that are no conformance suite."""

import unittest

from idempotency.test_mutants import failing

from . import broken_by


def names(*cases):
    """Return the names of the tests of ``cases``."""
    return set().union(*(unittest.TestLoader().getTestCaseNames(case) for case in cases))


def caught_by(make, expected, cases):
    """Return those of ``expected`` that fail while ``make`` is seeded, in whichever of ``cases`` has them."""
    caught = set()
    with broken_by(make):
        for case in cases:
            caught |= failing(case, [each for each in expected if each in names(case)])
    return caught
