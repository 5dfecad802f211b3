"""Each fault of mutants/lock_stores.py fails the tests that it names."""

from importlib import import_module
from unittest.mock import patch

import pytest
from django.conf import settings
from django.db import connections

from django_dist.testing import lock_harness
from idempotency.test_mutants import failing
from mutants import broken_by, lock_stores
from services import missing

PATIENCE_S = 3.0  # what has failed is not waited for any longer


@pytest.mark.filterwarnings("ignore")
@pytest.mark.django_db(transaction=True, databases=list(settings.DATABASES))
@pytest.mark.parametrize("name", sorted(lock_stores.MUTANTS))
def test_mutant_is_caught(name):
    for store in ("postgres", "mysql", "redis"):
        if why := missing(store):
            pytest.skip(why)
    fault, (where, *tests) = lock_stores.MUTANTS[name]
    module = import_module(f"locks.{where.split('.')[0]}")
    made = getattr(module, where.split(".")[1])
    try:
        with (
            patch.object(lock_harness, "PATIENCE_S", PATIENCE_S),
            patch.object(module, "PATIENCE_S", PATIENCE_S, create=True),
            broken_by(fault),
        ):
            assert failing(made, tests) == set(tests)
    finally:  # what a fault has left on a connection must not spoil another test
        for connection in connections.all(initialized_only=True):
            connection.close()
            del connections[connection.alias]
