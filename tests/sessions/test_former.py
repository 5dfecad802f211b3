"""Sessions move from the engine that a site had before: nobody is logged out, and nobody logged in again."""

from importlib import import_module
from unittest import mock

from asgiref.sync import async_to_sync
from django.core.cache import cache
from django.test import TransactionTestCase, override_settings

from django_dist.exceptions import InvalidBackend, SessionStoreUnavailable
from django_dist.models import StoredSession
from django_dist.sessions import arevoke, arevoke_all, former, former_engine, revoke, revoke_all, sessions_for
from django_dist.sessions.options import options
from django_dist.testing.session_harness import SessionHarness
from services import needs

from .test_redis import Own as OnRedis

DJANGOS = "django.contrib.sessions.backends."


class Had:
    """``former`` is the engine that the site had."""

    former = DJANGOS + "db"

    def with_options(self, **given):
        super().with_options(**{"read_from": self.former, **given})


class Moving(SessionHarness):
    def setUp(self):
        super().setUp()
        self.before = import_module(self.former).SessionStore
        cache.clear()
        self.addCleanup(cache.clear)

    def had(self, **data):
        """Leave a session in the former engine; return its cookie."""
        session = self.before()
        session.update(data)
        session.save()
        return str(session.session_key)

    def has_former(self, value):
        return bool(dict(self.before(value).items()))

    def test_session_moves_under_its_key_and_leaves_nothing_behind(self):
        key = self.had(a=1, _auth_user_id="7")
        session = self.store(key)
        self.assertEqual((dict(session.items()), session.session_key), ({"a": 1, "_auth_user_id": "7"}, key))
        self.assertEqual((self.count(), self.has_former(key)), (2, False))  # with its mark
        session["b"] = 2
        session.save()
        self.assertEqual(self.now(key), {"a": 1, "b": 2, "_auth_user_id": "7"})

    def test_session_moves_under_asyncio(self):
        key = self.had(a=1)

        async def read():
            return dict(await self.store(key).aitems())

        self.assertEqual(async_to_sync(read)(), {"a": 1})
        self.assertEqual((self.count(), self.has_former(key)), (2, False))  # with its mark

    def test_logout_ends_what_has_not_moved(self):
        for looks in (True, False):
            key = self.had(a=1)
            session = self.store(key)
            if looks:
                session.get("a")
            session.flush()
            self.assertEqual((self.now(key), self.has_former(key)), ({}, False))

    def test_logout_wins_over_a_request_that_moves_the_session(self):
        key = self.had(a=1)
        read = former_engine.read_former

        def late(value):
            data = read(value)
            self.store(key).flush()
            return data

        with mock.patch.object(former_engine, "read_former", late):
            self.assertEqual(self.now(key), {})
        self.assertEqual(self.now(key), {})

    def test_logout_wins_over_a_request_that_is_about_to_store_the_session(self):
        key = self.had(a=1)
        place = type(self.store.place)
        insert = place.insert

        def late(self_, digest, row):
            with mock.patch.object(place, "insert", insert):
                self.store(key).flush()
            return insert(self_, digest, row)

        with mock.patch.object(place, "insert", late):
            self.assertEqual(self.now(key), {})
        self.assertEqual(self.now(key), {})

    def test_logout_holds_where_the_former_engine_keeps_its_copy(self):
        key = self.had(a=1)
        down = mock.patch.object(self.before, "delete", side_effect=OSError("down"))
        with down, self.assertLogs("django_dist.sessions", "WARNING"):
            self.store(key).flush()
        self.assertTrue(self.has_former(key))
        self.assertEqual(self.now(key), {})

    def test_revocation_holds_where_the_former_engine_keeps_its_copy(self):
        for end in (
            lambda one: revoke(one.id),
            lambda one: revoke_all("7"),
            lambda one: async_to_sync(arevoke)(one.id),
            lambda one: async_to_sync(arevoke_all)("7"),
        ):
            key = self.had(_auth_user_id="7")
            down = mock.patch.object(self.before, "delete", side_effect=OSError("down"))
            with down, override_settings(SESSION_ENGINE=self.engine):
                with self.assertLogs("django_dist.sessions", "WARNING"):
                    self.store(key).get("a")
                (one,) = sessions_for("7")
                self.assertTrue(end(one))
            self.assertTrue(self.has_former(key))
            self.assertEqual(self.now(key), {})

    def test_session_that_was_over_does_not_move_again(self):
        key = self.had(a=1)
        down = mock.patch.object(self.before, "delete", side_effect=OSError("down"))
        with down, self.assertLogs("django_dist.sessions", "WARNING"):
            self.store(key).get("a")
        self.end(key)
        self.store.clear_expired()
        self.assertTrue(self.has_former(key))
        self.assertEqual(self.now(key), {})

    def test_new_key_holds_where_the_former_engine_keeps_its_copy(self):
        key = self.had(a=1)
        with mock.patch.object(self.before, "delete", side_effect=OSError("down")):
            session = self.store(key)
            with self.assertLogs("django_dist.sessions", "WARNING"):
                session.cycle_key()
        self.assertEqual((self.now(key), self.now(session.session_key)), ({}, {"a": 1}))

    def test_two_that_move_it_at_once_have_one_session(self):
        key = self.had(a=1)
        read = former_engine.read_former

        def late(value):
            data = read(value)
            with mock.patch.object(former_engine, "read_former", read):
                other = self.store(key)
                other["b"] = 2
                other.save()
            return data

        with mock.patch.object(former_engine, "read_former", late):
            session = self.store(key)
            session["c"] = 3
            session.save()
        self.assertEqual((self.now(key), self.count()), ({"a": 1, "b": 2, "c": 3}, 2))

    def test_two_that_store_it_at_once_have_one_session(self):
        key = self.had(a=1)
        place = type(self.store.place)
        insert = place.insert

        def late(self_, digest, row):
            with mock.patch.object(place, "insert", insert):
                other = self.store(key)
                other["b"] = 2
                other.save()
            return insert(self_, digest, row)

        with mock.patch.object(place, "insert", late):
            session = self.store(key)
            session["c"] = 3
        session.save()
        self.assertEqual((self.now(key), self.count()), ({"a": 1, "b": 2, "c": 3}, 2))

    def test_former_engine_that_is_down_is_no_empty_session(self):
        key = self.had(a=1)
        down = mock.patch.object(self.before, "load", side_effect=OSError("down"))
        with down, self.assertRaises(SessionStoreUnavailable):
            self.store(key).get("a")
        self.assertEqual(self.now(key), {"a": 1})

    def test_what_nobody_knows_is_no_session(self):
        for value in ("k" * 32, "x" * 100_000, "nul\0" * 9, "short", ""):
            session = self.store(value)
            self.assertEqual((dict(session.items()), session.session_key), ({}, None))
        self.assertEqual(self.count(), 0)

    def test_limit_of_sessions_does_not_stop_a_move(self):
        self.with_options(max_per_user=1, on_max="refuse")
        for _ in range(2):
            key = self.had(_auth_user_id="7")
            self.assertEqual(self.now(key), {"_auth_user_id": "7"})


class FromDatabaseTests(Had, Moving, TransactionTestCase):
    pass


class FromCachedDatabaseTests(Had, Moving, TransactionTestCase):
    former = DJANGOS + "cached_db"


class FromCacheTests(Had, Moving, TransactionTestCase):
    former = DJANGOS + "cache"


@needs("postgres")
class OnPostgreSQLTests(Had, Moving, TransactionTestCase):
    database = "postgres"


@needs("mysql")
class OnMariaDBTests(Had, Moving, TransactionTestCase):
    database = "mysql"


@needs("redis")
class OnRedisTests(Had, OnRedis, Moving, TransactionTestCase):
    pass


@needs("valkey")
class OnValkeyTests(OnRedisTests):
    connection = "valkey"


class FromCookieTests(Had, SessionHarness, TransactionTestCase):
    """The former engine had no store: its cookie is good wherever it is read."""

    former = DJANGOS + "signed_cookies"
    had = Moving.had

    def setUp(self):
        super().setUp()
        self.before = import_module(self.former).SessionStore

    def test_session_moves_under_a_key_that_is_made_of_its_cookie(self):
        value = self.had(a=1)
        session = self.store(value)
        self.assertEqual((session["a"], len(session.session_key), session.modified), (1, 32, True))
        session["b"] = 2
        session.save()
        self.assertEqual((self.now(value), self.now(session.session_key)), ({"a": 1, "b": 2}, {"a": 1, "b": 2}))
        self.assertEqual(self.count(), 2)

    def test_logout_ends_the_old_cookie_too(self):
        for looks in (True, False):
            value = self.had(a=1, looks=looks)
            session = self.store(value)
            if looks:
                session.get("a")
            session.flush()
            self.assertEqual(self.now(value), {})

    def test_key_cannot_be_made_without_the_secret(self):
        value = self.had(a=1)
        key = former.key_of(value)
        with override_settings(SECRET_KEY="o" * 50):
            self.assertNotEqual(former.key_of(value), key)


class OptionTests(TransactionTestCase):
    def test_engine_that_is_none_or_ours_is_refused(self):
        for name in ("nowhere.at.all", "django_dist.sessions.database", "os.path", 7):
            given = {"default": {"OPTIONS": {"read_from": name}}}
            with self.subTest(name), override_settings(DIST_SESSIONS=given), self.assertRaises(InvalidBackend):
                options()
        self.assertEqual(StoredSession.objects.count(), 0)
