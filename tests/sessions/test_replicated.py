"""The suite over the replicated engine: Redis first and a database behind it, and two databases."""

import uuid
from unittest import mock

from django.core.cache import caches
from django.test import TransactionTestCase, override_settings

from django_dist.models import StoredSession
from django_dist.sessions import replicated, revoke, revoke_all, sessions_for
from django_dist.sessions.keys import digest_of_key
from django_dist.sessions.replica import ENDED
from django_dist.testing.sessions import SessionConformance
from services import needs

from .upstream import session_tests


class Replicated:
    """What is done to a copy by hand is done to all; ``asked`` counts what is asked of the database alone."""

    engine = "django_dist.sessions.replicated"
    replicas = ("redis", "database")

    def setUp(self):
        self.prefix = f"test:{uuid.uuid4()}:"
        super().setUp()

    def with_options(self, **given):
        options = {
            "connection": "redis",
            "prefix": self.prefix,
            "database": self.database,
            "replicas": self.replicas,
            "suspicion_ttl": 3600.0,
            **given,
        }
        settings = override_settings(SESSION_ENGINE=self.engine, DIST_SESSIONS={"default": {"OPTIONS": options}})
        settings.enable()
        self.addCleanup(settings.disable)

    @property
    def server(self):
        return caches["redis"].client.get_client(write=True)

    def key(self, key):
        (redis,) = (each for each in replicated.replicas() if each.name == "redis")
        return f"{self.prefix}{redis.key(digest_of_key(key)).hex}"

    def empty(self):
        super().empty()
        for key in self.server.scan_iter(f"{self.prefix}*"):
            self.server.delete(key)

    def count(self):
        return StoredSession.objects.using(self.database).filter(version__lt=ENDED).count()

    def plant(self, key, data):
        super().plant(key, data)
        self.server.hset(self.key(key), "d", data)

    def end(self, key):
        super().end(key)
        self.server.pexpireat(self.key(key), 1)

    def age(self, key, seconds, *, created=False):
        super().age(key, seconds, created=created)
        self.server.hincrby(self.key(key), "c" if created else "s", -round(seconds * 1000))


class ReplicatedConformance(Replicated, SessionConformance):
    def test_store_is_asked_as_seldom_as_can_be(self):
        key = self.saved(a=1)
        session = self.store(key)
        self.assertEqual(self.asked(lambda: session["a"]), 0)  # Redis alone
        session["b"] = 1
        self.assertEqual(self.asked(session.save), 1)
        self.assertEqual(self.asked(session.cycle_key), 3)  # the copy, in two statements, and the end of the old key
        self.assertEqual(self.asked(lambda: self.saved(a=1)), 1)
        self.assertEqual(self.asked(session.flush), 1)

    def test_list_and_ends_ask_the_store_once(self):
        one, other = self.store(self.login()), self.store(self.login())
        self.assertEqual(self.asked(lambda: sessions_for("7", one)), 1)
        self.assertEqual(self.asked(lambda: revoke(str(other.digest), user="7")), 2)  # the list, and the end
        self.assertEqual(self.asked(lambda: revoke_all("7", except_session=one)), 1)
        self.assertEqual(len(sessions_for("7")), 1)

    def test_client_is_known_anew_by_login_save_new_key_and_touch(self):
        with mock.patch.object(type(self), "asked", lambda self, call: call() or 1):
            super().test_client_is_known_anew_by_login_save_new_key_and_touch()


@needs("redis")
class RedisAndSQLiteTests(ReplicatedConformance, TransactionTestCase):
    pass


@needs("redis", "postgres")
class RedisAndPostgreSQLTests(ReplicatedConformance, TransactionTestCase):
    database = "postgres"


@needs("redis", "mysql")
class RedisAndMariaDBTests(ReplicatedConformance, TransactionTestCase):
    database = "mysql"


class AsyncTests(RedisAndSQLiteTests):
    asynchronous = True


try:
    upstream = session_tests()
except OSError:  # test_upstream.py says why
    upstream = None

if upstream is not None:

    @needs("redis")
    class UpstreamTests(Replicated, upstream.SessionTestsMixin, TransactionTestCase):
        """Django's own generic tests of sessions."""

        database, backend = "default", replicated.SessionStore

        def setUp(self):
            self.prefix = f"test:{uuid.uuid4()}:"
            self.with_options()
            super(Replicated, self).setUp()
