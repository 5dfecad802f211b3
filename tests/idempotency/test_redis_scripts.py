"""The scripts, as several owners send them: who gets a request, until when, and what is left of it."""

import time
import uuid
from unittest.mock import patch

from django.test import TransactionTestCase

from django_dist.idempotency.redis_leases import RedisLeases
from django_dist.testing.leases import LeaseHarness
from idempotency.redis_harness import RedisHarness
from idempotency.test_redis_store import ANSWER, a_claim
from services import needs

STEPS = '{"charge":{"result":5}}'
HOUR_S = 3600.0


@needs("redis")
class ScriptTests(RedisHarness, LeaseHarness, TransactionTestCase):
    def setUp(self):
        super().setUp()
        self.leases = RedisLeases("test", self.connection, self.prefix)
        self.one, self.owner, self.other = a_claim(), uuid.uuid4(), uuid.uuid4()

    def taken_by(self, owner, **changes):
        """Let ``owner`` ask for the request; return who has it."""
        return self.leases.take(self.one._replace(**changes), owner).owner

    def left_ms(self):
        """Return how long the only key still lives."""
        (key,) = self.keys()
        return self.server.pttl(key)

    def leave(self, **changes):
        """Let the owner leave the request with a step that has ended."""
        self.taken_by(self.owner, **changes)
        self.leases.release(self.one, self.owner, STEPS)

    def test_lease_that_has_not_run_out_is_its_owners(self):
        self.assertEqual(self.taken_by(self.owner), self.owner)
        self.assertEqual(self.taken_by(self.other), self.owner)
        self.assertTrue(self.leases.keep(self.one, self.owner, None))

    def test_claim_that_is_sent_again_begins_its_lease_anew(self):
        for lease in (1.0, 60.0):
            self.assertEqual(self.taken_by(self.owner, lease=lease), self.owner)
        self.assertGreater(self.leases.look(self.one.digest).left, 50)

    def test_lease_that_has_run_out_is_taken_with_its_steps_and_the_late_owner_refused(self):
        self.taken_by(self.owner, lease=0.001)
        self.leases.keep(self.one._replace(lease=0.001), self.owner, STEPS)
        time.sleep(0.01)
        standing = self.leases.take(self.one, self.other)
        self.assertEqual((standing.owner, standing.steps), (self.other, STEPS))
        self.assertFalse(self.leases.keep(self.one, self.owner, "{}"))
        self.assertFalse(self.leases.finish(self.one, self.owner, ANSWER))

    def test_clock_of_the_web_server_decides_nothing(self):
        self.taken_by(self.owner)
        real = time.time
        for ahead in (HOUR_S, -HOUR_S):
            with patch("time.time", lambda: real() + ahead):  # noqa: B023
                self.assertEqual(self.taken_by(self.other), self.owner)
                self.assertLess(self.leases.look(self.one.digest).left, 31)
                self.leases.renew({self.one.digest: self.owner}, self.one.lease)
            self.assertEqual(self.taken_by(self.other), self.owner)

    def test_what_was_left_is_free_at_once_for_the_same_request_alone(self):
        self.leave()
        self.assertIsNone(self.taken_by(self.other, fingerprint=uuid.uuid4()))
        self.assertIsNone(self.taken_by(self.other, binding=uuid.uuid4()))
        standing = self.leases.take(self.one, self.other)
        self.assertEqual((standing.owner, standing.steps), (self.other, STEPS))

    def test_who_has_left_owns_no_more(self):
        self.leave()
        self.assertFalse(self.leases.keep(self.one, self.owner, "{}"))
        self.assertFalse(self.leases.finish(self.one, self.owner, ANSWER))
        self.assertFalse(self.leases.hold(self.one, self.owner, "{}", "why"))
        self.assertEqual(self.leases.look(self.one.digest).steps, STEPS)

    def test_what_was_left_without_steps_is_gone(self):
        self.taken_by(self.owner)
        self.leases.release(self.one, self.owner, None)
        self.assertEqual(self.keys(), [])

    def test_what_redis_has_forgotten_comes_not_back_by_its_late_owner(self):
        self.taken_by(self.owner)
        self.forget()
        self.assertFalse(self.leases.keep(self.one, self.owner, STEPS))
        self.assertFalse(self.leases.finish(self.one, self.owner, ANSWER))
        self.assertFalse(self.leases.hold(self.one, self.owner, "{}", "why"))
        self.leases.release(self.one, self.owner, STEPS)
        self.leases.renew({self.one.digest: self.owner}, 60.0)
        self.assertEqual(self.keys(), [])

    def test_lease_does_not_shorten_the_life_of_a_record(self):
        self.taken_by(self.owner, ttl=HOUR_S)
        self.leases.keep(self.one, self.owner, STEPS)
        self.leases.renew({self.one.digest: self.owner}, 1.0)
        self.leases.release(self.one, self.owner, STEPS)
        self.taken_by(self.other, ttl=1.0)
        self.assertGreater(self.left_ms(), (HOUR_S - 60) * 1000)

    def test_held_request_is_nobodys(self):
        self.taken_by(self.owner)
        self.leases.hold(self.one, self.owner, STEPS, "on purpose")
        before = self.leases.look(self.one.digest)
        self.assertIsNone(self.taken_by(self.owner))
        self.assertFalse(self.leases.keep(self.one, self.owner, "{}"))
        self.leases.renew({self.one.digest: self.owner}, 60.0)
        self.leases.release(self.one, self.owner, None)
        self.assertEqual((self.leases.look(self.one.digest), self.left_ms()), (before, -1))

    def test_finished_request_stays_as_it_is(self):
        self.taken_by(self.owner)
        self.leases.finish(self.one, self.owner, ANSWER)
        for owner in (self.owner, self.other):
            self.assertTrue(self.leases.take(self.one, owner).finished)
        self.assertFalse(self.leases.keep(self.one, self.owner, "{}"))
        self.assertFalse(self.leases.hold(self.one, self.owner, "{}", "why"))
        self.leases.release(self.one, self.owner, None)
        self.assertEqual(self.leases.look(self.one.digest).record.answer, ANSWER)
