"""Copies of sessions in a Redis that is killed, stopped, emptied and set back, and in a database that goes away."""

import contextlib
import io
import itertools
import shutil
import tempfile
import uuid
from pathlib import Path
from unittest import mock

from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import TransactionTestCase, override_settings

from django_dist.exceptions import SessionStoreUnavailable
from django_dist.models import StoredSession
from django_dist.sessions import replicated, revoke_all, sessions_for
from django_dist.sessions.place import Row
from django_dist.sessions.redis import RedisSessions
from django_dist.sessions.replica import ENDED
from django_dist.sessions.replicated import SessionStore
from django_dist.signals import session_replica_changed
from django_dist.testing.faults import rerouted
from lengths import rounds
from processes.redises import DURABLE, own_redis
from services import needs
from wheel_servers import free_port

LONG = 3600.0  # seconds without another look


@contextlib.contextmanager
def killed(redis):
    """Kill the server for the block."""
    redis.kill()
    try:
        yield
    finally:
        redis.start()


@needs("redis", "postgres")
class FaultTests(TransactionTestCase):
    databases = {"default", "postgres"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        stack = contextlib.ExitStack()
        cls.addClassCleanup(stack.close)
        cls.folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cls.redis = stack.enter_context(own_redis("redis", cls.folder, DURABLE))

    def setUp(self):
        self.prefix = f"test:{uuid.uuid4()}:"
        self.changes = []
        session_replica_changed.connect(self.note)
        self.addCleanup(session_replica_changed.disconnect, self.note)
        self.with_options()

    def note(self, replica, is_up, **_):
        self.changes.append((replica, is_up))

    def with_options(self, **given):
        patient = {"SOCKET_TIMEOUT": 0.5, "SOCKET_CONNECT_TIMEOUT": 0.5}
        url = f"redis://127.0.0.1:{self.redis.port}/0"
        own = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": url, "OPTIONS": patient}
        options = {
            "replicas": ["redis:own", "database:postgres"],
            "prefix": self.prefix,
            "suspicion_ttl": 0.0,
            **given,
        }
        setting = override_settings(
            SESSION_ENGINE="django_dist.sessions.replicated",
            DIST_SESSIONS={"default": {"OPTIONS": options}},
            CACHES={**settings.CACHES, "own": own},
        )
        setting.enable()
        self.addCleanup(setting.disable)

    def database_away(self):
        return rerouted("postgres", HOST="127.0.0.1", PORT=str(free_port()))

    def saved(self, **data):
        session = SessionStore()
        session.update(data)
        session.save()
        return str(session.session_key)

    def now(self, key):
        return dict(SessionStore(key).items())

    def change(self, key, **data):
        session = SessionStore(key)
        session.update(data)
        session.save()

    def copies(self, key):
        """Return what each store has of ``key``."""
        digest = SessionStore(key).digest
        found = [each.whole(digest) for each in replicated.replicas()]
        return [None if each is None else (each.version, each.row.data) for each in found]

    def assert_equal_copies(self, key):
        one, other = self.copies(key)
        self.assertIsNotNone(one)
        self.assertEqual(one, other)

    # -- one of two --

    def test_every_write_is_in_both(self):
        key = self.saved(a=1)
        self.assert_equal_copies(key)
        self.change(key, b=2)
        self.assert_equal_copies(key)
        session = SessionStore(key)
        session.cycle_key()
        self.assert_equal_copies(session.session_key)
        self.assertEqual([version for version, _ in self.copies(key)], [ENDED, ENDED])

    def test_sessions_outlive_a_redis_that_is_killed(self):
        key = self.saved(a=1)
        self.redis.kill()
        try:
            self.assertEqual(self.now(key), {"a": 1})
            self.change(key, b=2)
            self.assertEqual(self.now(key), {"a": 1, "b": 2})
            new = self.saved(c=3)
        finally:
            self.redis.start()
        for each, data in ((key, {"a": 1, "b": 2}), (new, {"c": 3})):
            self.assertEqual(self.now(each), data)
            self.assert_equal_copies(each)

    def test_logout_while_redis_was_away_lasts(self):
        for number in range(rounds(4, 100)):
            away = killed(self.redis) if number % 2 else self.redis.standing_still()
            with self.subTest(number):
                key, other = self.saved(a=number), self.saved(_auth_user_id="7")
                with away:
                    SessionStore(key).flush()
                    self.assertEqual((self.now(key), revoke_all("7")), ({}, 1))
                self.assertEqual((self.now(key), self.now(other), sessions_for("7")), ({}, {}, []))
                self.assertEqual([version for version, _ in filter(None, self.copies(key))][-1], ENDED)

    def test_change_while_redis_stood_still_is_not_lost(self):
        key = self.saved(a=1)
        with self.redis.standing_still():
            self.change(key, b=2)
        self.assertEqual(self.now(key), {"a": 1, "b": 2})
        self.assert_equal_copies(key)
        self.assertEqual(self.waiting(), 0)

    def waiting(self):
        """Return how much a store remembers for another."""
        return sum(
            len(one.missed_by(other.name, 1000)) for one, other in itertools.permutations(replicated.replicas(), 2)
        )

    def test_redis_that_forgot_everything_gets_it_again(self):
        key, user = self.saved(a=1), self.saved(_auth_user_id="7")
        with self.redis.client() as client:
            client.flushall()
        self.assertEqual((self.now(key), self.now(user)), ({"a": 1}, {"_auth_user_id": "7"}))
        self.assert_equal_copies(key)
        self.assertEqual(len(sessions_for("7")), 1)

    def test_redis_that_comes_back_with_old_data_revives_nobody(self):
        key, changed = self.saved(a=1), self.saved(b=1)
        before = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, before)
        with killed(self.redis):
            shutil.copytree(self.folder, before / "data")
        self.now(key), self.now(changed)
        SessionStore(key).flush()
        self.change(changed, c=2)
        with killed(self.redis):
            shutil.rmtree(self.folder)
            shutil.copytree(before / "data", self.folder)
        self.assertEqual((self.now(key), self.now(changed)), ({}, {"b": 1, "c": 2}))

    def test_sessions_outlive_a_database_that_is_away(self):
        key, gone = self.saved(a=1), self.saved(b=1)
        with self.database_away():
            self.assertEqual(self.now(key), {"a": 1})
            self.change(key, b=2)
            SessionStore(gone).flush()
            new = self.saved(c=3)
        self.assertEqual((self.now(key), self.now(gone), self.now(new)), ({"a": 1, "b": 2}, {}, {"c": 3}))
        self.assertEqual(self.waiting(), 0)
        for each in (key, new, gone):
            self.assert_equal_copies(each)

    def test_write_that_too_few_have_is_told(self):
        self.with_options(write_quorum="all")
        key = self.saved(a=1)
        with self.database_away(), self.assertRaises(SessionStoreUnavailable):
            self.change(key, b=2)
        self.change(key, c=3)
        self.assert_equal_copies(key)

    # -- both --

    def test_nobody_is_logged_out_while_all_are_away(self):
        key = self.saved(a=1)
        with killed(self.redis), self.database_away():
            for call in (lambda: self.now(key), lambda: self.saved(a=1), lambda: sessions_for("7")):
                with self.assertRaises(SessionStoreUnavailable):
                    call()
        self.assertEqual(self.now(key), {"a": 1})

    def test_what_the_one_that_answers_has_not_may_be_in_the_other(self):
        key = "k" * 32
        self.assertEqual(self.now(key), {})
        with self.database_away(), self.assertRaises(SessionStoreUnavailable):
            self.now(key)

    def test_stores_agree_whoever_came_first(self):
        digest = uuid.uuid4()
        for one, other in ((b"a", b"b"), (b"\xff", b"a"), (b"a", b"a\0"), (b"\x80", b"\x7f\xff")):
            digest = uuid.uuid4()
            first, second = replicated.replicas()
            for replica, data in ((first, one), (second, other), (first, other), (second, one)):
                replica.put(digest, 2, Row(data, None, LONG))
            self.assertEqual({each.whole(digest).row.data for each in (first, second)}, {max(one, other)})
            for replica in (first, second):
                self.assertFalse(replica.put(digest, 1, Row(b"\xff\xff", None, LONG)))
                replica.bury(digest)
                self.assertFalse(replica.put(digest, 10**9, Row(b"\xff\xff", None, LONG)))

    def test_rollback_leaves_no_copy_ahead(self):
        key = self.saved(a=1)
        with self.assertRaises(LookupError), transaction.atomic("postgres"):
            self.change(key, b=2)
            raise LookupError
        self.assertEqual(self.now(key), {"a": 1})
        self.assert_equal_copies(key)
        with transaction.atomic("postgres"):
            self.change(key, b=3)
        self.assertEqual(self.now(key), {"a": 1, "b": 3})
        self.assert_equal_copies(key)

    # -- the breaker --

    def test_dead_store_is_asked_once_and_told_once(self):
        self.with_options(suspicion_ttl=LONG)
        key = self.saved(a=1)
        run, asked = RedisSessions._run, []

        def counted(place, call):
            asked.append(call)
            return run(place, call)

        logs = self.assertLogs("django_dist.sessions", "INFO")
        with killed(self.redis), mock.patch.object(RedisSessions, "_run", counted), logs as told:
            for _ in range(5):
                self.assertEqual(self.now(key), {"a": 1})
        self.assertEqual((len(asked), len(told.records), self.changes), (1, 1, [("redis:own", False)]))
        self.with_options(suspicion_ttl=0.0)

    def test_store_that_is_back_is_told_and_used(self):
        key = self.saved(a=1)
        with killed(self.redis):
            self.now(key)
        self.now(key)
        self.assertEqual(self.changes, [("redis:own", False), ("redis:own", True)])
        StoredSession.objects.using("postgres").all().delete()
        self.assertEqual(self.now(key), {"a": 1})

    # -- the operator --

    def doctor(self, **given):
        out = io.StringIO()
        with contextlib.suppress(CommandError):
            call_command("dist_doctor", stdout=out, stderr=out, **given)
        return out.getvalue()

    def test_doctor_tells_who_is_away_and_repairs(self):
        key = self.saved(a=1)
        with killed(self.redis):
            SessionStore(key).flush()
            self.assertIn("redis:own, database:postgres  database:postgres", self.doctor())
            self.assertIn("1 sessions changed while replica 'redis:own' was away", self.doctor())
            with self.assertRaisesMessage(CommandError, "not repaired"):
                call_command("dist_doctor", repair="sessions")
        self.assertIn("handed 1 sessions over", self.doctor(repair="sessions"))
        self.assertEqual(self.waiting(), 0)
        self.assertIn("redis:own, database:postgres  redis:own, database:postgres", self.doctor())
        self.assertEqual([version for version, _ in self.copies(key)], [ENDED, ENDED])
