"""The suite is tested itself: each fault of mutants/dedupe.py fails the behaviours that it names."""

import unittest
from unittest.mock import patch

import pytest
from django.conf import settings
from django.test import TransactionTestCase

from django_dist.testing import crowds, handlers
from django_dist.testing.dedupe import AsyncDedupeConformance, DedupeConformance
from idempotency.test_mutants import TRIES, failing
from mutants.dedupe import SEEDED, broken
from services import missing

SUITES = {False: DedupeConformance, True: AsyncDedupeConformance}


def suite_over(alias, asynchronous):
    """Return the suite's class; made here, so that pytest does not collect it."""

    class Suite(SUITES[asynchronous], TransactionTestCase):
        database = alias

    return Suite


@pytest.mark.filterwarnings("ignore")
@pytest.mark.django_db(transaction=True, databases=list(settings.DATABASES))
@pytest.mark.parametrize("name", sorted(SEEDED))
def test_mutant_is_caught(name):
    _, alias, asynchronous, behaviours = SEEDED[name]
    if alias != "default" and (why := missing(alias)):
        pytest.skip(why)
    suite, caught = suite_over(alias, asynchronous), set()
    with broken(name), patch.object(crowds, "PATIENCE_S", 3), patch.object(handlers, "PATIENCE_S", 3):
        for _ in range(TRIES):
            caught |= failing(suite, [behaviour for behaviour in behaviours if behaviour not in caught])
            if caught == set(behaviours):
                return
    assert caught == set(behaviours)


@pytest.mark.parametrize("asynchronous", SUITES)
def test_every_behaviour_catches_a_mutant(asynchronous):
    behaviours = set(unittest.TestLoader().getTestCaseNames(suite_over("default", asynchronous)))
    seeded = [entry for entry in SEEDED.values() if asynchronous in (entry[2], True)]
    caught = {behaviour for _, _, _, names in seeded for behaviour in names}
    assert behaviours <= caught
