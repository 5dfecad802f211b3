"""The suite over Redis is tested itself: each fault of mutants/session_scripts.py fails what is named there."""

import pytest
from django.test import TransactionTestCase

from django_dist.sessions import redis_calls
from idempotency.test_mutants import failing
from mutants import broken_by, replicated, session_index
from mutants.session_scripts import MUTANTS
from services import needs

from . import test_redis, test_redis_deletes


def suite():
    """Return the suite's class; made here, so that pytest does not collect it."""

    class Suite(test_redis_deletes.Deletes, test_redis.RedisTests, TransactionTestCase):
        pass

    return Suite


@needs("redis")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_mutant_is_caught(name):
    make, behaviours = MUTANTS[name]
    with broken_by(make):
        assert failing(suite(), behaviours) == set(behaviours)


def test_every_script_has_a_mutant():
    scripts = {name for name, value in vars(redis_calls).items() if type(value).__name__ == "Script"}
    seeded = set()
    for make, _ in [*MUTANTS.values(), *session_index.MUTANTS.values(), *replicated.MUTANTS.values()]:
        made = make()
        faults = made if isinstance(made, tuple) else (made,)
        seeded |= {each.attribute for each in faults if type(each.new).__name__ == "Script"}
    assert seeded == scripts
