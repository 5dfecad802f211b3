"""The suites are tested themselves: each fault of mutants/locks.py and lock_transactions.py fails what it names."""

import unittest
from unittest.mock import patch

import pytest
from django.conf import settings
from django.db import connections
from django.test import SimpleTestCase, TransactionTestCase

from django_dist.locks.database import DatabaseLocks
from django_dist.locks.memory import MemoryLocks
from django_dist.testing import lock_harness, lock_owners, lock_tasks, lock_transactions, lock_waiting
from django_dist.testing.lock_transactions import LockTransactionConformance
from django_dist.testing.locks import LockConformance
from idempotency.test_mutants import failing
from mutants import broken_by, locks
from mutants import lock_transactions as seeded
from services import missing

TRIES = 5
PATIENCE_S = 3.0  # a behaviour that has failed is not waited for any longer


def suite():
    """Return the suite's class; made here, so that pytest does not collect it."""

    class Suite(LockConformance, SimpleTestCase):
        def make_backend(self):
            return MemoryLocks(alias="test")

    return Suite


def transactions_over(name):
    """Return the suite of transactions where the fault ``name`` shows."""

    class Suite(LockTransactionConformance, TransactionTestCase):
        database = "postgres" if name in seeded.ON_POSTGRESQL else "default"

        def make_backend(self):
            return DatabaseLocks(alias="test") if name in seeded.ON_SQLITE else MemoryLocks(alias="test")

    return Suite


@pytest.fixture(autouse=True)
def impatient():
    """Do not wait long for what does not come."""
    modules = lock_harness, lock_owners, lock_tasks, lock_transactions, lock_waiting
    patches = [patch.object(module, "PATIENCE_S", PATIENCE_S) for module in modules]
    for each in patches:
        each.start()
    yield
    for each in reversed(patches):
        each.stop()


def check(made, behaviours, fault):
    caught = set()
    with broken_by(fault):
        for _ in range(TRIES):
            caught |= failing(made, [behaviour for behaviour in behaviours if behaviour not in caught])
            if caught == set(behaviours):
                return
    assert caught == set(behaviours)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", sorted(locks.MUTANTS))
def test_mutant_is_caught(name):
    fault, behaviours = locks.MUTANTS[name]
    check(suite(), behaviours, fault)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.django_db(transaction=True, databases=list(settings.DATABASES))
@pytest.mark.parametrize("name", sorted(seeded.MUTANTS))
def test_mutant_of_transactions_is_caught(name):
    if name in seeded.ON_POSTGRESQL and (why := missing("postgres")):
        pytest.skip(why)
    fault, behaviours = seeded.MUTANTS[name]
    try:
        check(transactions_over(name), behaviours, fault)
    finally:  # what a fault has left on a connection must not spoil another test
        for connection in connections.all(initialized_only=True):
            connection.close()
            del connections[connection.alias]


@pytest.mark.parametrize(("made", "mutants"), [(suite(), locks.MUTANTS), (transactions_over(""), seeded.MUTANTS)])
def test_every_behaviour_catches_a_mutant(made, mutants):
    behaviours = set(unittest.TestLoader().getTestCaseNames(made))
    assert behaviours == {behaviour for _, caught in mutants.values() for behaviour in caught}
