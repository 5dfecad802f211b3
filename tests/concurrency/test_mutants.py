"""The suite of versions and amounts is tested itself: each fault of mutants/concurrency.py fails what it names."""

import unittest

import pytest
from django.conf import settings
from django.test import TransactionTestCase

from django_dist.concurrency import many, statements
from django_dist.testing.concurrency import ConcurrencyConformance
from idempotency.test_mutants import TRIES, failing
from mutants import broken_by
from mutants.concurrency import MUTANTS, ON_POSTGRESQL
from services import missing


def suite_over(alias):
    """Return the suite's class; made here, so that pytest does not collect it."""

    class Suite(ConcurrencyConformance, TransactionTestCase):
        database = alias

    return Suite


@pytest.fixture(autouse=True)
def built_anew():
    """What was built once for a model is forgotten before a fault, and with it."""
    for built in (statements.guarded, many._sql):
        built.cache_clear()
    yield
    for built in (statements.guarded, many._sql):
        built.cache_clear()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.django_db(transaction=True, databases=list(settings.DATABASES))
@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_mutant_is_caught(name):
    alias = "postgres" if name in ON_POSTGRESQL else "default"
    if alias != "default" and (why := missing(alias)):
        pytest.skip(why)
    make, behaviours = MUTANTS[name]
    suite, caught = suite_over(alias), set()
    with broken_by(make):
        for _ in range(TRIES):
            caught |= failing(suite, [behaviour for behaviour in behaviours if behaviour not in caught])
            if caught == set(behaviours):
                return
    assert caught == set(behaviours)


def test_every_behaviour_catches_a_mutant():
    behaviours = set(unittest.TestLoader().getTestCaseNames(suite_over("default")))
    assert behaviours == {behaviour for _, caught in MUTANTS.values() for behaviour in caught}
