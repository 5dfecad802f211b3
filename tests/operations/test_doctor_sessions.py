"""dist_doctor on the store of sessions: each finding is brought about for real."""

from datetime import timedelta
from io import StringIO

from django.core.management import CommandError, call_command
from django.db import connections
from django.test import TransactionTestCase, override_settings

from django_dist.clock import StoreTime
from django_dist.models import StoredSession
from django_dist.sessions.database import SessionStore
from services import needs

from .redis_servers import port_of
from .test_doctor_redis import OwnServer, alias

DATABASE, REDIS = "django_dist.sessions.database", "django_dist.sessions.redis"


def doctor(engine, options=None, **settings):
    """Return what dist_doctor prints, and its exit status."""
    out = StringIO()
    with override_settings(SESSION_ENGINE=engine, DIST_SESSIONS={"default": {"OPTIONS": options or {}}}, **settings):
        try:
            call_command("dist_doctor", stdout=out, no_color=True)
        except CommandError as error:
            return f"{out.getvalue()}{error}", error.returncode
    return out.getvalue(), 0


class DatabaseTests(TransactionTestCase):
    def test_sound_store_is_a_line_and_another_engine_is_none(self):
        out, status = doctor(DATABASE)
        self.assertEqual(status, 0, out)
        self.assertRegex(out, r"SESSION_ENGINE +default +database +default +SQLite +\d+\.\d\d ms\n")
        self.assertNotIn("SESSION_ENGINE", doctor("django.contrib.sessions.backends.db")[0])

    def test_sessions_that_nobody_purges_are_told(self):
        session = SessionStore()
        session["a"] = 1
        session.save()
        StoredSession.objects.update(expires_at=StoreTime(-timedelta(days=3).total_seconds()))
        out, status = doctor(DATABASE)
        self.assertEqual(status, 0, out)
        self.assertIn("advice  default: 1 expired rows wait, the oldest for 3 days", out)

    def test_table_that_is_missing_is_wrong(self):
        with connections["default"].schema_editor() as editor:
            editor.delete_model(StoredSession)
        try:
            out, status = doctor(DATABASE)
        finally:
            with connections["default"].schema_editor() as editor:
                editor.create_model(StoredSession)
        self.assertEqual(status, 1, out)
        self.assertIn("table django_dist_session is missing", out)

    def test_option_that_is_not_there_is_wrong(self):
        out, status = doctor(DATABASE, {"touch_evry": 1})
        self.assertEqual(status, 1, out)
        self.assertIn("unknown OPTIONS ['touch_evry']", out)

    def test_engine_that_sessions_still_move_from_is_told(self):
        out, status = doctor(DATABASE, {"read_from": "django.contrib.sessions.backends.db"})
        self.assertEqual(status, 0, out)
        self.assertIn("still read from django.contrib.sessions.backends.db", out)

    def test_cookie_has_no_store(self):
        self.assertRegex(
            doctor("django_dist.sessions.cookie")[0], r"SESSION_ENGINE +default +cookie +- +the browser +-"
        )


@needs("redis")
class RedisTests(OwnServer):
    databases = ("default",)  # dist_doctor asks that of requests, too

    def doctor(self):
        return doctor(REDIS, {"connection": "own"}, CACHES={"own": alias(port_of(self.server))})

    def test_sound_server_is_a_line(self):
        out, status = self.doctor()
        self.assertEqual(status, 0, out)
        self.assertRegex(out, r"SESSION_ENGINE +default +redis +own +Redis \d+\.[\d.]+ +\d+\.\d\d ms\n")

    def test_server_that_forgets_logs_people_out(self):
        self.set(appendonly="no", maxmemory_policy="allkeys-lru")
        out, status = self.doctor()
        self.assertEqual(status, 1, out)
        self.assertIn("appendonly is off: a restart forgets what was acknowledged; who is forgotten is logged out", out)
        self.assertIn("maxmemory-policy is allkeys-lru: records are evicted", out)

    def test_server_that_does_not_answer_is_wrong(self):
        out, status = doctor(REDIS, {"connection": "own"}, CACHES={"own": alias(1)})
        self.assertEqual(status, 1, out)
        self.assertIn("the store does not answer", out)
