"""The suites of dist_complete are tested themselves: each fault of mutants/completion.py fails what is named there."""

import unittest
from unittest.mock import patch

import pytest
from django.conf import settings
from django.test import TransactionTestCase

from django_dist.testing import leases
from idempotency import test_complete_users
from idempotency.completion import CompletionSuite
from idempotency.test_mutants import failing
from mutants.completion import MUTANTS, broken

TRIES = 3  # a race that a mutant may lose is not lost every time


def suite():
    """Return a class with all behaviours; made here, so that pytest does not collect it."""

    class Suite(CompletionSuite, TransactionTestCase):
        database = "default"

    return Suite


def case_of(behaviour):
    """Return the class that has ``behaviour``."""
    return suite() if hasattr(CompletionSuite, behaviour) else test_complete_users.UserTests


@pytest.mark.filterwarnings("ignore")
@pytest.mark.django_db(transaction=True, databases=list(settings.DATABASES))
@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_mutant_is_caught(name):
    wanted = set(MUTANTS[name][1])
    caught: set[str] = set()
    with broken(name), patch.object(leases, "PATIENCE_S", 3):
        for _ in range(TRIES):
            for behaviour in sorted(wanted - caught):
                caught |= failing(case_of(behaviour), [behaviour])
            if caught == wanted:
                return
    assert caught == wanted


def test_every_behaviour_catches_a_mutant():
    names = unittest.TestLoader().getTestCaseNames
    assert {*names(suite()), *names(test_complete_users.UserTests)} == {
        behaviour for _, caught in MUTANTS.values() for behaviour in caught
    }
