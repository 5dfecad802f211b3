"""The suite over Redis and Valkey, and what is Redis's alone: lost answers, forgotten scripts, round trips."""

import uuid
from unittest import mock

from django.core.cache import caches
from django.test import TransactionTestCase, override_settings
from redis.exceptions import ConnectionError as Lost

from django_dist.exceptions import SessionStoreUnavailable
from django_dist.idempotency.digests import digest_of
from django_dist.sessions.keys import digest_of_key
from django_dist.sessions.redis import RedisSessions
from django_dist.sessions.redis_scripts import DELETE, DELETE_ALL, INSERT, LIST, READ, RENAME, TOUCH, UPDATE
from django_dist.testing.sessions import SessionConformance
from idempotency.redis_harness import sent
from lengths import in_storms
from services import needs

from .test_middleware import Behaviour


class Own:
    """Keys under a prefix of the test's own, on the Redis of ``connection``."""

    engine = "django_dist.sessions.redis"
    connection = "redis"

    def setUp(self):
        self.prefix = f"test:{uuid.uuid4()}:"
        super().setUp()
        for script in (READ, INSERT, UPDATE, RENAME, TOUCH, DELETE, DELETE_ALL, LIST):
            self.server.script_load(script.text)

    @property
    def server(self):
        return caches[self.connection].client.get_client(write=True)

    def with_options(self, **given):
        options = {"connection": self.connection, "prefix": self.prefix, **given}
        settings = override_settings(SESSION_ENGINE=self.engine, DIST_SESSIONS={"default": {"OPTIONS": options}})
        settings.enable()
        self.addCleanup(settings.disable)

    def empty(self):
        super().empty()
        for key in self.keys():
            self.server.delete(key)

    def keys(self):
        return list(self.server.scan_iter(f"{self.prefix}*"))

    def asked(self, call):
        with sent() as commands:
            call()
        # A new loop, as each call of async_to_sync has one, has a new connection, which greets.
        return len([command for command in commands if not self.asynchronous or b"\r\nEVAL" in command])

    def key(self, key):
        return f"{self.prefix}{digest_of_key(key).hex}"

    def count(self):
        return len([key for key in self.keys() if ":user:" not in str(key)])

    def data_of(self, key):
        return self.server.execute_command("HGET", self.key(key), "d", NEVER_DECODE=True)

    def plant(self, key, data):
        self.server.hset(self.key(key), "d", data)

    def left(self, key):
        return self.server.pttl(self.key(key)) / 1000

    def end(self, key):
        self.server.pexpireat(self.key(key), 1)

    def age(self, key, seconds, *, created=False):
        self.server.hincrby(self.key(key), "c" if created else "s", -round(seconds * 1000))


@needs("redis")
class RedisTests(Own, SessionConformance, TransactionTestCase):
    def test_rest_of_django_redis_is_not_used(self):
        self.saved(a=1)
        (key,) = self.keys()
        self.assertTrue(str(key).startswith(self.prefix))

    def test_scripts_that_redis_has_forgotten_are_sent_anew(self):
        key = self.saved(a=1)
        self.server.script_flush()
        self.assertEqual(self.now(key), {"a": 1})

    def test_script_that_is_sent_twice_is_one(self):
        place, writer = RedisSessions(), "django_dist.sessions.redis_calls.secrets.token_bytes"
        one, new = digest_of(["one"]), digest_of(["new"])
        for call in (
            lambda row: place.insert(one, row),
            lambda row: place.update(one, 1, row),
            lambda row: place.rename(one, 2, row, new),
        ):
            with mock.patch(writer, return_value=uuid.uuid4().bytes[:8]):
                row = self.store()._row(one, {"a": 1, "_auth_user_id": "7"}, b"{}", None)
                self.assertEqual((call(row), call(row)), (True, True))
            self.assertFalse(call(row))
        self.assertEqual((place.read(one), place.read(new).version, self.count()), (None, 3, 1))

    def test_lost_redis_is_told(self):
        with (
            mock.patch("redis.connection.Connection.send_packed_command", side_effect=Lost("gone")),
            self.assertRaises(SessionStoreUnavailable) as caught,
        ):
            self.saved(a=1)
        self.assertTrue(caught.exception.retryable)


@needs("valkey")
class ValkeyTests(Own, SessionConformance, TransactionTestCase):
    connection = "valkey"


@needs("redis")
class AsyncRedisTests(Own, SessionConformance, TransactionTestCase):
    asynchronous = True


@in_storms
class AsyncValkeyTests(ValkeyTests):
    asynchronous = True


@needs("redis")
class MiddlewareTests(Own, Behaviour, TransactionTestCase):
    def setUp(self):
        super().setUp()
        self.with_settings(SESSION_ENGINE=self.engine)

    def lose(self):
        self.server.delete(*self.keys())

    def down(self):
        entry = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": "redis://127.0.0.1:1/0"}
        return override_settings(CACHES={self.connection: entry})


@needs("redis")
class AsyncMiddlewareTests(MiddlewareTests):
    place = "async"
