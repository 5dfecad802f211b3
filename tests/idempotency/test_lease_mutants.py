"""The suites of mode lease are tested themselves: each fault of mutants/leases.py fails what is named there."""

import unittest

import pytest
from django.conf import settings
from django.test import TransactionTestCase

from django_dist.testing import lease_losses, lease_orders, leases
from django_dist.testing.idempotency import LeaseConformance
from idempotency.test_mutants import failing
from mutants import broken_by
from mutants.leases import MUTANTS, ON_SQLITE
from services import missing

PATIENCE_S = 2


def suite_over(alias):
    """Return the suite's class; made here, so that pytest does not collect it."""

    class Suite(LeaseConformance, TransactionTestCase):
        database = alias

    return Suite


@pytest.mark.filterwarnings("ignore")
@pytest.mark.django_db(transaction=True, databases=list(settings.DATABASES))
@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_mutant_is_caught(name, monkeypatch):
    if name not in ON_SQLITE and (why := missing("postgres")):
        pytest.skip(why)
    make, behaviours = MUTANTS[name]
    for module in (leases, lease_losses, lease_orders):
        monkeypatch.setattr(module, "PATIENCE_S", PATIENCE_S)
    suite = suite_over("default" if name in ON_SQLITE else "postgres")
    with broken_by(make):
        assert failing(suite, behaviours) == set(behaviours)


def test_every_behaviour_catches_a_mutant():
    behaviours = set(unittest.TestLoader().getTestCaseNames(suite_over("default")))
    assert behaviours == {behaviour for _, caught in MUTANTS.values() for behaviour in caught}
