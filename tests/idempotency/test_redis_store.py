"""What is Redis's alone: round trips, keys and their lives, what is written twice, wrong settings."""

import uuid

import pytest
from django.test import TransactionTestCase, override_settings

from django_dist.exceptions import BackendUnavailable, InvalidBackend
from django_dist.idempotency.base import Answer, Claim
from django_dist.idempotency.redis_leases import RedisLeases
from django_dist.idempotency.registry import requests
from django_dist.testing.harness import text
from django_dist.testing.leases import LeaseHarness
from idempotency.redis_harness import RedisHarness, sent
from operations.test_checks import ChecksCase
from services import needs

BACKEND = "django_dist.idempotency.redis.RedisRequests"
ANSWER = Answer(201, "Taken", [["Location", "/1"]], b"\x00\xff")


def a_claim(**changes):
    """Return a claim of a request of its own."""
    one = Claim(uuid.uuid4(), uuid.uuid4(), None, "user:1", "shop.order", ttl=60.0, wait=0.0, lease=30.0)
    return one._replace(**changes)


@needs("redis")
class RoundTripTests(RedisHarness, LeaseHarness, TransactionTestCase):
    def test_first_request_is_two_round_trips_and_a_replay_one(self):
        self.assert_once()  # the connection is open, and Redis knows the scripts
        for expected in (2, 1, 1):
            with sent() as commands:
                self.post(key="b" * 32)
            self.assertEqual(len(commands), expected, commands)
            self.assertTrue(all(b"EVALSHA" in command for command in commands))

    def test_scripts_that_redis_has_forgotten_are_sent_anew(self):
        self.server.script_flush()
        self.assert_once()
        self.assertEqual(self.effects(), 1)

    def test_request_without_a_key_sends_nothing(self):
        with sent() as commands:
            self.post(key=None)
        self.assertEqual(commands, [])

    def test_step_is_two_round_trips(self):
        def view(request):
            with sent() as commands:
                request.idempotency.step("charge", lambda key: 1)
            return text(str(len(commands)), status=201)

        self.post(view, key="c" * 32)
        self.assertEqual(self.post(view).body, b"2")

    def test_finishing_is_an_error_that_names_the_mend(self):
        def view(request):
            with request.idempotency.finishing():
                return text("")

        with self.assertRaisesRegex(Exception, r"finishing\(\) needs a store in a database"):
            self.post(view, raises=True)


@needs("redis")
class StoreTests(RedisHarness, LeaseHarness, TransactionTestCase):
    """The store itself, each method as a client sends it."""

    def setUp(self):
        super().setUp()
        self.leases = RedisLeases("test", self.connection, self.prefix)
        self.one, self.owner = a_claim(), uuid.uuid4()

    def left_ms(self):
        """Return how long the only key still lives."""
        (key,) = self.keys()
        return self.server.pttl(key)

    def test_record_lives_for_ttl_and_a_lease_longer_than_that_keeps_it(self):
        self.leases.take(self.one._replace(ttl=1.0, lease=40.0), self.owner)
        self.assertGreater(self.left_ms(), 35_000)
        self.leases.finish(self.one._replace(ttl=90.0), self.owner, ANSWER)
        self.assertGreater(self.left_ms(), 80_000)

    def test_renewed_lease_outlives_the_ttl(self):
        self.leases.take(self.one._replace(ttl=1.0, lease=1.0), self.owner)
        self.leases.renew({self.one.digest: self.owner}, 50.0)
        self.assertGreater(self.left_ms(), 45_000)
        self.assertGreater(self.leases.look(self.one.digest).left, 45)

    def test_key_has_its_digest_as_hash_tag(self):
        self.leases.take(self.one, self.owner)
        (key,) = self.keys()
        self.assertIn(f"{{{self.one.digest.hex}}}", key)

    def test_answer_comes_back_byte_for_byte(self):
        self.leases.take(self.one, self.owner)
        self.assertTrue(self.leases.finish(self.one, self.owner, ANSWER))
        found = self.leases.look(self.one.digest)
        self.assertEqual((found.finished, found.record.answer), (True, ANSWER))

    def test_answer_that_is_not_kept_is_none(self):
        self.leases.take(self.one, self.owner)
        self.leases.finish(self.one, self.owner, ANSWER._replace(body=None))
        self.assertIsNone(self.leases.look(self.one.digest).record.answer.body)

    def test_call_that_is_sent_twice_does_no_more_than_once(self):
        for _ in range(2):
            self.assertEqual(self.leases.take(self.one, self.owner).owner, self.owner)
        for _ in range(2):
            self.assertTrue(self.leases.finish(self.one, self.owner, ANSWER))
        two = a_claim()
        self.leases.take(two, self.owner)
        for _ in range(2):
            self.assertTrue(self.leases.hold(two, self.owner, "{}", "why"))
        self.assertTrue(self.leases.look(two.digest).held)

    def test_nobody_but_the_owner_changes_anything(self):
        self.leases.take(self.one, self.owner)
        other, before = uuid.uuid4(), self.leases.look(self.one.digest)._replace(left=0)
        self.assertFalse(self.leases.keep(self.one, other, "{}"))
        self.assertFalse(self.leases.finish(self.one, other, ANSWER))
        self.assertFalse(self.leases.hold(self.one, other, "{}", "why"))
        self.leases.release(self.one, other, None)
        self.leases.renew({self.one.digest: other}, 500.0)
        now = self.leases.look(self.one.digest)
        self.assertLess(now.left, 31)
        self.assertEqual(now._replace(left=0), before)

    def test_finished_and_held_are_never_taken_and_held_never_expires(self):
        self.leases.take(self.one, self.owner)
        self.leases.hold(self.one, self.owner, '{"charge":{"called":true}}', "on purpose")
        self.assertEqual(self.left_ms(), -1)
        standing = self.leases.take(self.one, uuid.uuid4())
        self.assertEqual((standing.held, standing.owner), (True, None))
        self.assertFalse(self.leases.finish(self.one, self.owner, ANSWER))

    def test_redis_that_does_not_answer_is_unavailable_and_a_lost_finish_unknown(self):
        entry = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}
        with override_settings(CACHES={"gone": entry}):
            gone = RedisLeases("test", "gone", self.prefix)
            for call, committing in (
                (lambda: gone.take(self.one, self.owner), False),
                (lambda: gone.keep(self.one, self.owner, None), False),
                (lambda: gone.renew({self.one.digest: self.owner}, 1.0), False),
                (lambda: gone.finish(self.one, self.owner, ANSWER), True),
            ):
                with self.assertRaises(BackendUnavailable) as caught:
                    call()
                self.assertIs(caught.exception.committing, committing)

    def test_nothing_waits_to_be_purged_and_a_redis_that_is_down_is_told(self):
        self.leases.take(self.one, self.owner)
        self.assertEqual((requests["default"].expired(), requests["default"].purge(10)), (0, 0))
        entry = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}
        with override_settings(CACHES={self.connection: entry}), self.assertRaises(BackendUnavailable):
            requests["default"].expired()


@needs("redis")
class SettingsTests(ChecksCase):
    def configured(self, **entry):
        return override_settings(DIST_IDEMPOTENCY={"default": {"BACKEND": BACKEND, **entry}})

    def test_alias_that_is_no_django_redis_is_told(self):
        for connection in ("default", "nowhere"):
            with (
                self.configured(OPTIONS={"connection": connection}),
                pytest.raises(InvalidBackend, match="RedisCache"),
            ):
                requests["default"]

    def test_mode_atomic_is_told_with_its_mend_by_check_and_by_attempt(self):
        with self.configured(OPTIONS={"connection": "redis"}):
            faults = [found.msg for found in self.found() if found.id == "django_dist.E001"]
            self.assertTrue(faults)
            for fault in faults:
                self.assertIn("set mode='lease' there", fault)
            with pytest.raises(InvalidBackend, match="mode='lease'"):
                requests["default"].attempt()

    def test_mode_lease_in_the_policy_is_sound(self):
        with self.configured(OPTIONS={"connection": "redis"}, POLICY={"mode": "lease"}):
            self.assertEqual([found for found in self.found() if found.id == "django_dist.E001"], [])
