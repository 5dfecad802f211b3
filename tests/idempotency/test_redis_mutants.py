"""The tests of the Redis store are tested themselves: each fault of mutants/redis.py fails what is named there."""

import unittest

import pytest
from django.conf import settings
from django.test import TransactionTestCase

from django_dist.testing import leases
from django_dist.testing.idempotency import LeaseConformance
from idempotency import test_redis_losses, test_redis_scripts, test_redis_store, test_redis_writes
from idempotency.redis_harness import RedisHarness
from idempotency.test_mutants import failing
from mutants import broken_by, redis_lines  # noqa: F401  (enters its mutants)
from mutants.redis import MUTANTS
from services import needs

PATIENCE_S = 2
CASES = [
    test_redis_losses.LossTests,
    test_redis_scripts.ScriptTests,
    test_redis_store.StoreTests,
    test_redis_store.RoundTripTests,
    test_redis_writes.WritesTests,
]
#: What no fault of the store breaks: words of errors, and what Django does by itself.
NEVER_SEEDED = {
    "test_finishing_is_an_error_that_names_the_mend",
    "test_nothing_waits_to_be_purged_and_a_redis_that_is_down_is_told",
    "test_request_without_a_key_sends_nothing",
    "test_row_with_a_claim_of_its_own_is_written_once_by_all_tries",
    "test_writes_of_a_late_try_stay",
}


def case_of(behaviour):
    """Return the class that has ``behaviour``; the suite is made here, so that pytest does not collect it."""

    class Suite(RedisHarness, LeaseConformance, TransactionTestCase):
        pass

    return next(case for case in (*CASES, Suite) if hasattr(case, behaviour))


@needs("redis")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.django_db(transaction=True, databases=list(settings.DATABASES))
@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_mutant_is_caught(name, monkeypatch):
    make, behaviours = MUTANTS[name]
    monkeypatch.setattr(leases, "PATIENCE_S", PATIENCE_S)
    with broken_by(make):
        assert {behaviour for behaviour in behaviours if failing(case_of(behaviour), [behaviour])} == set(behaviours)


def test_every_behaviour_catches_a_mutant():
    behaviours = {name for case in CASES for name in unittest.TestLoader().getTestCaseNames(case)}
    caught = {behaviour for _, named in MUTANTS.values() for behaviour in named}
    assert behaviours - caught == NEVER_SEEDED
