"""The suite of sessions is tested itself: each fault of mutants/sessions.py fails what is named there."""

import unittest

import pytest
from django.test import TransactionTestCase

from django_dist.testing.sessions import SessionConformance
from idempotency.test_mutants import TRIES, failing
from mutants import (
    broken_by,
    session_people,  # noqa: F401  (enters its mutants)
)
from mutants.sessions import MUTANTS


def suite():
    """Return the suite's class; made here, so that pytest does not collect it."""

    class Suite(SessionConformance, TransactionTestCase):
        pass

    return Suite


@pytest.mark.filterwarnings("ignore")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_mutant_is_caught(name):
    make, behaviours = MUTANTS[name]
    caught = set()
    with broken_by(make):
        for _ in range(TRIES):
            caught |= failing(suite(), [behaviour for behaviour in behaviours if behaviour not in caught])
            if caught == set(behaviours):
                return
    assert caught == set(behaviours)


def test_every_behaviour_catches_a_mutant():
    behaviours = set(unittest.TestLoader().getTestCaseNames(suite()))
    assert behaviours == {behaviour for _, caught in MUTANTS.values() for behaviour in caught}
