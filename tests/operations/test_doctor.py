"""dist_doctor tells what the live server says: each finding is brought about for real, and gone without its cause."""

import tempfile
import time
from unittest import mock

from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.utils import load_backend
from django.test import TransactionTestCase
from django.test.utils import CaptureQueriesContext

from django_dist.diagnosis import common, mysql, postgresql, sqlite
from django_dist.diagnosis.base import Subject
from django_dist.idempotency.policy import Policy
from django_dist.models import RequestRecord
from services import needs

from .records import make

DAY_S = 86_400


def told(check, connection, *policies):
    """Return what ``check`` finds: whether it is wrong, and in which words."""
    return [(finding.wrong, finding.text) for finding in check(Subject(connection, policies or (Policy(),)))]


class Server(TransactionTestCase):
    """A server whose session the test sets; the session ends with the test."""

    database = ""

    def setUp(self):
        self.connection = connections[self.database]
        self.addCleanup(self.connection.close)

    def set(self, *statements):
        with self.connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def assert_finds(self, check, wrong, words, *policies):
        ((found, text),) = told(check, self.connection, *policies)
        self.assertIs(found, wrong, text)
        self.assertIn(words, text)

    def assert_content(self, check, *policies):
        self.assertEqual(told(check, self.connection, *policies), [])


class CommonChecks:
    """What is asked of every database."""

    def test_purge_that_does_not_run_is_told(self):
        make(self.database, expired_s=DAY_S)
        self.assert_content(common.expired_rows)
        make(self.database, expired_s=3 * DAY_S)
        self.assert_finds(common.expired_rows, False, "2 expired rows wait, the oldest for 3 days")

    def test_rows_are_counted_up_to_a_bound(self):
        for _ in range(3):
            make(self.database, expired_s=3 * DAY_S)
        with mock.patch.object(common, "COUNTED", 2), CaptureQueriesContext(self.connection) as queries:
            self.assert_finds(common.expired_rows, False, "more than 2 expired rows")
        self.assertIn("LIMIT 3", queries.captured_queries[-1]["sql"])

    def test_clock_of_this_host_that_is_off_is_told(self):
        self.assert_content(common.clock)
        for off_s, words in ((-60, "60.0 s ahead of"), (60, "60.0 s behind")):
            with mock.patch.object(common, "time", mock.Mock(time=lambda off_s=off_s: time.time() + off_s)):
                self.assert_finds(common.clock, False, words)

    def test_migrations_that_are_not_applied_are_told(self):
        self.assert_content(common.tables)
        recorder = MigrationRecorder(self.connection)
        last = max(name for app, name in MigrationLoader(None).disk_migrations if app == "django_dist")
        recorder.record_unapplied("django_dist", last)
        self.addCleanup(recorder.record_applied, "django_dist", last)
        self.assert_finds(common.tables, True, f"1 migrations are not applied: {last}")


@needs("postgres")
class PostgreSQLTests(CommonChecks, Server):
    database = "postgres"
    databases = {"default", "postgres"}

    def test_lost_host_is_bounded_by_the_shorter_limit(self):
        self.set("SET tcp_keepalives_idle = 7200", "SET tcp_keepalives_interval = 75", "SET tcp_keepalives_count = 9")
        self.assert_finds(postgresql.lost_host, False, "up to 7875 s")
        self.set("SET idle_in_transaction_session_timeout = '60s'")
        self.assert_content(postgresql.lost_host)
        self.set("SET idle_in_transaction_session_timeout = 0", "SET tcp_keepalives_idle = 30")
        self.assert_finds(postgresql.lost_host, False, "up to 705 s")
        self.set("SET tcp_keepalives_interval = 10", "SET tcp_keepalives_count = 3")
        self.assert_content(postgresql.lost_host)

    def test_busy_backend(self):
        self.set("SET client_connection_check_interval = 0")
        self.assert_finds(postgresql.busy_backend, False, "runs on")
        self.set("SET client_connection_check_interval = '5s'")
        self.assert_content(postgresql.busy_backend)

    def test_isolation(self):
        from psycopg import IsolationLevel

        self.assert_content(postgresql.isolation)
        self.connection.connection.isolation_level = IsolationLevel.SERIALIZABLE  # as OPTIONS set it
        self.assert_finds(postgresql.isolation, False, "transactions are serializable")
        self.connection.connection.isolation_level = None
        self.set("SET default_transaction_isolation = 'repeatable read'")
        self.assert_finds(postgresql.isolation, False, "transactions are repeatable read")

    def test_read_only_session(self):
        self.assert_content(postgresql.write_server)
        self.set("SET default_transaction_read_only = on")
        self.assert_finds(postgresql.write_server, True, "read only")

    def test_statement_timeout_below_the_wait(self):
        self.set("SET statement_timeout = '3s'")
        self.assert_content(postgresql.statement_timeout)
        self.assert_finds(postgresql.statement_timeout, False, "3 s and repeats wait 5 s", Policy(), Policy(wait=5))

    def test_durability(self):
        self.set("SET synchronous_commit = on")
        told_before = told(postgresql.durability, self.connection)
        self.set("SET synchronous_commit = off")
        self.assertEqual(len(told(postgresql.durability, self.connection)), len(told_before) + 1)

    def test_version(self):
        self.assert_content(postgresql.version)


@needs("mysql")
class MariaDBTests(CommonChecks, Server):
    database = "mysql"
    databases = {"default", "mysql"}

    def test_engine_that_cannot_roll_back(self):
        self.assert_content(mysql.engines)
        table = RequestRecord._meta.db_table
        self.addCleanup(self.set, f"ALTER TABLE {table} ENGINE = InnoDB")
        self.set(f"ALTER TABLE {table} ENGINE = MyISAM")
        self.assert_finds(mysql.engines, True, f"{table} is MyISAM")

    def test_other_tables_that_cannot_roll_back_are_advice(self):
        self.addCleanup(self.set, "DROP TABLE plain")
        self.set("CREATE TABLE plain (id int) ENGINE = MyISAM")
        self.assert_finds(mysql.engines, False, "1 other tables cannot roll back (plain)")

    def test_empty_texts(self):
        self.assert_content(mysql.empty_texts)
        self.set("SET SESSION sql_mode = CONCAT(@@sql_mode, ',EMPTY_STRING_IS_NULL')")
        self.assert_finds(mysql.empty_texts, True, "EMPTY_STRING_IS_NULL")

    def test_isolation(self):
        self.assert_content(mysql.isolation)
        self.set("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        self.assert_finds(mysql.isolation, False, "REPEATABLE-READ")
        self.set("SET SESSION TRANSACTION ISOLATION LEVEL READ UNCOMMITTED")
        self.assert_finds(mysql.isolation, True, "READ-UNCOMMITTED")

    def test_read_only_session(self):
        self.assert_content(mysql.write_server)
        self.addCleanup(self.set, "SET SESSION TRANSACTION READ WRITE")
        self.set("SET SESSION TRANSACTION READ ONLY")
        self.assert_finds(mysql.write_server, True, "_read_only = ON")

    def test_packet_must_hold_the_longest_answer_escaped(self):
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT @@max_allowed_packet")
            (limit,) = cursor.fetchone()
        most = (limit - mysql.OVERHEAD_BYTES) // 2
        self.assert_content(mysql.packet, Policy(max_response_bytes=most))
        longer = Policy(max_response_bytes=most + 1)
        self.assert_finds(mysql.packet, True, f"max_allowed_packet is {limit} bytes", Policy(), longer)

    def test_lost_host_is_bounded_by_the_shortest_limit(self):
        self.set("SET SESSION wait_timeout = 28800")
        self.assert_finds(mysql.lost_host, False, "up to 28800 s")
        if self.connection.mysql_is_mariadb:
            self.set("SET SESSION idle_transaction_timeout = 300", "SET SESSION idle_write_transaction_timeout = 60")
            self.assert_content(mysql.lost_host)
            self.set("SET SESSION idle_write_transaction_timeout = 0")
            self.assert_finds(mysql.lost_host, False, "up to 300 s")
        self.set("SET SESSION wait_timeout = 100")
        self.assert_content(mysql.lost_host)

    def test_version(self):
        self.assert_content(mysql.version)


class SQLiteTests(CommonChecks, Server):
    database = "default"

    def other(self, name=None, **options):
        """Return a connection to the same file, or to ``name``, with other OPTIONS."""
        entry = self.connection.settings_dict
        entry = {**entry, "OPTIONS": {**entry["OPTIONS"], **options}, "NAME": name or entry["NAME"]}
        found = load_backend(entry["ENGINE"]).DatabaseWrapper(entry, "other")
        self.addCleanup(found.close)
        found.ensure_connection()
        return found

    def test_clock_of_this_host_that_is_off_is_told(self):
        with mock.patch.object(common, "time", mock.Mock(time=lambda: time.time() + 60)):
            self.assert_content(common.clock)  # it is the same host

    def test_deferred_transactions(self):
        self.assert_content(sqlite.immediate)
        ((wrong, text),) = told(sqlite.immediate, self.other(transaction_mode="DEFERRED"))
        self.assertFalse(wrong)
        self.assertIn("DEFERRED", text)

    def test_memory_is_of_one_process(self):
        self.assert_content(sqlite.shared)
        ((wrong, _),) = told(sqlite.shared, self.other(":memory:", init_command=""))
        self.assertTrue(wrong)

    def test_journal_mode(self):
        self.assert_content(sqlite.write_ahead_log)
        with tempfile.TemporaryDirectory() as folder:  # the tests' own file stays in use by other threads
            other = self.other(f"{folder}/db.sqlite3", init_command="PRAGMA journal_mode = DELETE")
            ((wrong, text),) = told(sqlite.write_ahead_log, other)
            other.close()
        self.assertFalse(wrong)
        self.assertIn("journal_mode is delete", text)

    def test_timeout_below_the_wait(self):
        self.assert_content(sqlite.timeout)
        self.set("PRAGMA busy_timeout = 1500")
        self.assert_finds(sqlite.timeout, False, "timeout is 1.5 s and repeats wait 2 s")

    def test_durability(self):
        self.set("PRAGMA synchronous = FULL")
        self.assert_content(sqlite.durability)
        self.set("PRAGMA synchronous = NORMAL")
        self.assert_finds(sqlite.durability, False, "NORMAL")
        self.set("PRAGMA synchronous = OFF")
        self.assert_finds(sqlite.durability, True, "OFF")

    def test_version(self):
        self.assert_content(sqlite.version)
        with mock.patch.object(sqlite, "MINIMUM", (99, 0)):
            self.assert_finds(sqlite.version, True, "SQLite is")
