"""dist_doctor on the stores of locks: each finding is brought about for real."""

from io import StringIO
from unittest.mock import patch

from django.core.management import CommandError, call_command
from django.db import connections
from django.test import TransactionTestCase, override_settings

from django_dist.models import StoredLock
from services import needs

from .redis_servers import port_of
from .test_doctor_redis import OwnServer, alias

BACKENDS = "django_dist.locks"


def doctor(backend, **options):
    """Return what dist_doctor prints of a store, and its exit status."""
    out = StringIO()
    entry = {"BACKEND": f"{BACKENDS}.{backend}", "OPTIONS": options}
    with override_settings(DIST_LOCKS={"default": entry}):
        try:
            call_command("dist_doctor", stdout=out, no_color=True)
        except CommandError as error:
            return f"{out.getvalue()}{error}", error.returncode
    return out.getvalue(), 0


class DatabaseTests(TransactionTestCase):
    def test_sound_store_is_a_line_and_the_unwritten_default_is_none(self):
        out, status = doctor("database.DatabaseLocks")
        self.assertEqual(status, 0, out)
        self.assertRegex(out, r"DIST_LOCKS +default +DatabaseLocks +default +SQLite +\d+\.\d\d ms\n")
        told = StringIO()
        call_command("dist_doctor", stdout=told, no_color=True)
        self.assertNotIn("DIST_LOCKS", told.getvalue())

    def test_memory_is_a_line(self):
        self.assertRegex(doctor("memory.MemoryLocks")[0], r"DIST_LOCKS +default +MemoryLocks +- +this process")

    def test_table_that_is_missing_is_wrong(self):
        with connections["default"].schema_editor() as editor:
            editor.delete_model(StoredLock)
        try:
            out, status = doctor("database.DatabaseLocks")
        finally:
            with connections["default"].schema_editor() as editor:
                editor.create_model(StoredLock)
        self.assertEqual(status, 1, out)
        self.assertIn("the table of locks is missing", out)

    def test_wrong_setting_is_told(self):
        out, status = doctor("postgres.AdvisoryLocks")
        self.assertEqual(status, 1, out)
        self.assertIn("must be an alias of a PostgreSQL", out)


@needs("mysql")
class MariaDBTests(TransactionTestCase):
    databases = {"default", "mysql"}

    def test_isolation_that_shows_old_rows_is_told(self):
        connection = connections["mysql"]
        for level, told in (("REPEATABLE READ", True), ("READ COMMITTED", False)):
            connection.cursor().execute(f"SET SESSION TRANSACTION ISOLATION LEVEL {level}")
            out, status = doctor("database.DatabaseLocks", database="mysql")
            self.assertEqual((status, "REPEATABLE READ" in out), (0, told), out)


@needs("postgres")
class PostgreSQLTests(TransactionTestCase):
    databases = {"default", "postgres"}

    def test_sound_stores_are_lines(self):
        for backend, kind in (("database.DatabaseLocks", "DatabaseLocks"), ("postgres.AdvisoryLocks", "AdvisoryLocks")):
            out, status = doctor(backend, database="postgres")
            self.assertEqual(status, 0, out)
            self.assertRegex(out, rf"DIST_LOCKS +default +{kind} +postgres +PostgreSQL +\d+\.\d\d ms\n")

    def test_connection_a_lock_is_told(self):
        for age, told in ((0, True), (60, False), (None, False)):
            with patch.dict(connections["postgres"].settings_dict, CONN_MAX_AGE=age):
                out, _ = doctor("postgres.AdvisoryLocks", database="postgres")
            self.assertEqual("opens a connection" in out, told, out)

    def test_sequence_that_is_missing_is_wrong(self):
        cursor = connections["postgres"].cursor()
        cursor.execute("ALTER SEQUENCE django_dist_fence RENAME TO away")
        try:
            out, status = doctor("postgres.AdvisoryLocks", database="postgres")
        finally:
            cursor.execute("ALTER SEQUENCE away RENAME TO django_dist_fence")
        self.assertEqual(status, 1, out)
        self.assertIn("the sequence of locks is missing", out)


@needs("redis")
class RedisTests(OwnServer):
    databases = ("default",)  # dist_doctor asks that of requests, too

    def doctor(self, entry=None):
        with override_settings(CACHES={"default": entry or alias(port_of(self.server))}):
            return doctor("redis.RedisLocks")

    def test_sound_server_is_a_line(self):
        out, status = self.doctor()
        self.assertEqual(status, 0, out)
        self.assertRegex(out, r"DIST_LOCKS +default +RedisLocks +default +Redis \d+\.[\d.]+ +\d+\.\d\d ms\n")

    def test_server_that_forgets_is_wrong(self):
        self.set(appendonly="no")
        out, status = self.doctor()
        self.assertEqual(status, 1, out)
        self.assertIn("appendonly is off: a restart forgets what was acknowledged; a lock that is held", out)

    def test_server_that_does_not_answer_is_wrong(self):
        out, status = self.doctor(alias(1))
        self.assertEqual(status, 1, out)
        self.assertIn("the store does not answer", out)
