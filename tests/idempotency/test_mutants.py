"""The suite is tested itself: each broken guard or store of mutants.py fails the behaviours named in caught.py."""

import unittest
from unittest.mock import patch

import pytest
from django.conf import settings
from django.test import TransactionTestCase

from django_dist.testing import races
from django_dist.testing.idempotency import IdempotencyConformance
from idempotency.caught import CAUGHT, NEVER_SEEDED, ON_POSTGRESQL, UNDER_ASGI
from mutants import MUTANTS, broken
from services import missing

TRIES = 20  # a race that a mutant may lose is not lost every time


def suite_over(alias, under_asgi=False):
    """Return the suite's class; made here, so that pytest does not collect it."""

    class Suite(IdempotencyConformance, TransactionTestCase):
        database = alias
        asynchronous = under_asgi

    return Suite


def failing(suite, names):
    """Return which behaviours fail, of those that ran."""
    result = unittest.TestResult()
    unittest.TestSuite([suite(name) for name in names]).run(result)
    assert not result.skipped, result.skipped
    tests = [getattr(test, "test_case", test) for test, _ in result.failures + result.errors]
    return {getattr(test, "_testMethodName", str(test)) for test in tests}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.django_db(transaction=True, databases=list(settings.DATABASES))
@pytest.mark.parametrize("name", sorted(CAUGHT))
def test_mutant_is_caught(name):
    if name in ON_POSTGRESQL and (why := missing("postgres")):
        pytest.skip(why)
    suite = suite_over("postgres" if name in ON_POSTGRESQL else "default", name in UNDER_ASGI)
    caught: set[str] = set()
    with broken(name), patch.object(races, "PATIENCE_S", 2):
        for _ in range(TRIES):
            caught |= failing(suite, [behaviour for behaviour in CAUGHT[name] if behaviour not in caught])
            if caught == set(CAUGHT[name]):
                return
    assert caught == set(CAUGHT[name])


def test_every_mutant_is_tried():
    assert set(CAUGHT) == set(MUTANTS)


def test_every_behaviour_catches_a_mutant():
    behaviours = set(unittest.TestLoader().getTestCaseNames(suite_over("default")))
    caught = {behaviour for names in CAUGHT.values() for behaviour in names}
    assert behaviours - caught == NEVER_SEEDED
    assert caught <= behaviours
