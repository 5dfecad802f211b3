"""The index of users in Redis: as long as what it lists, no longer, and made anew where it was lost; its mutants."""

import unittest

import pytest
from django.test import TransactionTestCase

from django_dist.sessions import revoke_all, sessions_for
from django_dist.testing.session_harness import SessionHarness
from django_dist.testing.sessions import SessionConformance
from idempotency.test_mutants import TRIES, failing
from mutants import broken_by
from mutants.session_index import MUTANTS
from services import needs

from .test_redis import Own


class Index(Own):
    """What the conformance suite cannot see."""

    @property
    def index(self):
        return f"{self.prefix}user:7"

    def test_index_lasts_as_long_as_the_last_session(self):
        self.login(_session_expiry=100)
        self.login(_session_expiry=1000)
        self.login(_session_expiry=500)
        self.assertAlmostEqual(self.server.pttl(self.index), 1_000_000, delta=60_000)
        session = self.opened(self.login(_session_expiry=100))
        session.set_expiry(2000)
        session.touch()
        self.assertAlmostEqual(self.server.pttl(self.index), 2_000_000, delta=60_000)

    def test_index_holds_no_more_than_what_lives(self):
        for key in (self.login(), self.login()):
            self.end(key)
            self.server.zadd(self.index, {self.store(key).digest.hex: 1})
        self.assertEqual(sessions_for("7"), [])
        session = self.opened(self.login())
        session.cycle_key()
        self.assertEqual(self.server.zrange(self.index, 0, -1), [session.digest.hex])
        session.flush()
        self.saved(a=1)
        self.assertEqual([str(key) for key in self.keys() if ":user:" in str(key)], [])

    def test_index_that_is_lost_is_made_anew(self):
        self.with_options(touch_every=0)
        for call in ("save", "touch", "cycle_key"):
            session = self.opened(self.login())
            self.server.delete(self.index)
            session.set_expiry(1000)
            getattr(session, call)()
            self.assertEqual([one.id for one in sessions_for("7")], [str(session.digest)], call)
            revoke_all("7")


@needs("redis")
class RedisTests(Index, SessionHarness, TransactionTestCase):
    pass


@needs("valkey")
class ValkeyTests(Index, SessionHarness, TransactionTestCase):
    connection = "valkey"


def suite():
    """Return the suite's class; made here, so that pytest does not collect it."""

    class Suite(Index, SessionConformance, TransactionTestCase):
        pass

    return Suite


@needs("redis")
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


def test_every_behaviour_of_the_index_catches_a_mutant():
    behaviours = {name for name in unittest.TestLoader().getTestCaseNames(RedisTests) if "index" in name}
    assert behaviours <= {behaviour for _, caught in MUTANTS.values() for behaviour in caught}
