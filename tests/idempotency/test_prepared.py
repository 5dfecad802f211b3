"""What the guard prepares in a session of PostgreSQL, when, and what becomes of it when somebody discards it."""

import uuid
from unittest.mock import patch

from django.db import connections
from django.test import TransactionTestCase
from django.test.utils import CaptureQueriesContext

from django_dist import prepared
from django_dist.testing.faults import proxied
from django_dist.testing.harness import Harness
from services import needs

PREPARED = "SELECT name FROM pg_prepared_statements WHERE name LIKE 'django_dist_%'"


@needs("postgres")
class PreparedTests(Harness, TransactionTestCase):
    database = "postgres"

    def setUp(self):
        super().setUp()
        self.connection = connections[self.database]
        self.usual = self.connection.settings_dict
        self.configure(CONN_MAX_AGE=None)  # each test begins with a session that knows nothing
        self.addCleanup(self.configure)
        self.fill()

    def configure(self, **changes):
        self.connection.close()
        # Without changes the very object is back, for connections.settings is read by others.
        self.connection.settings_dict = {**self.usual, **changes} if changes else self.usual

    def warm(self, claims=prepared.FIRST + 2):
        for _ in range(claims):
            self.assert_anew(key=str(uuid.uuid4()))

    def fill(self, rows=2000):
        """Store records of nobody's, so that the table is worth an index."""
        self.rows(
            f"""INSERT INTO django_dist_request
            (digest, fingerprint, scope, view, state, status, reason, headers, replays, created_at, expires_at)
            SELECT gen_random_uuid(), gen_random_uuid(), 'nobody', '', 1, 200, '', '[]', 0, now(), now()
            FROM generate_series(1, {rows})"""
        )

    def ours(self):
        return self.records().exclude(scope="nobody")

    def rows(self, sql):
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def sent(self, **request):
        with CaptureQueriesContext(self.connection) as seen:
            self.post(**request)
        return " ".join(query["sql"] for query in seen.captured_queries)

    def test_connection_that_serves_few_requests_prepares_nothing(self):
        self.warm(prepared.FIRST)
        self.assertEqual(self.rows(PREPARED), [])

    def test_busy_connection_executes_what_it_has_prepared(self):
        self.warm()
        first, replay = self.sent(), self.sent()
        for name in ("try_lock", "look_up", "insert"):
            self.assertIn(f"EXECUTE django_dist_{name}_", first)
        self.assertIn("EXECUTE django_dist_count_", replay)
        self.assertEqual((self.effects(), self.records().get(replays=1).status), (prepared.FIRST + 3, 201))

    def test_preparing_takes_no_round_trip(self):
        with proxied(self.database) as proxy:
            self.connection.ensure_connection()
            self.post(key=None)
            counts = set()
            for _ in range(prepared.FIRST + 4):
                before = proxy.round_trips
                self.assert_anew(key=str(uuid.uuid4()))
                counts.add(proxy.round_trips - before)
            self.assertEqual(len(self.rows(PREPARED)), 4)
        self.assertEqual(len(counts), 1, counts)

    def test_session_that_was_reset_goes_on_without(self):
        for reset in ("DISCARD ALL", "DEALLOCATE ALL"):
            for wait in (2, 0):
                with self.subTest(reset, wait=wait), self.policy(wait=wait):
                    self.connection.close()
                    self.warm()
                    self.rows(f"{reset}")
                    key = str(uuid.uuid4())
                    self.assert_once(key=key)
                    self.warm()
                    self.assertEqual(self.rows(PREPARED), [])
                    self.assertEqual(self.effects(), self.ours().count())

    def test_names_that_are_taken_are_left_alone(self):
        self.warm()
        names = [name for (name,) in self.rows(PREPARED)]
        self.connection.close()
        for name in names:
            self.rows(f"PREPARE {name} AS SELECT 1")
        self.warm()
        self.assert_once()
        self.assertEqual(self.effects(), self.ours().count())

    def test_column_that_changes_its_type_is_no_error(self):
        self.warm()
        self.rows("ALTER TABLE django_dist_request ALTER COLUMN reason TYPE text")
        try:
            self.assert_once()
        finally:
            self.rows("ALTER TABLE django_dist_request ALTER COLUMN reason TYPE varchar(200)")

    def test_session_of_another_pid_is_a_poolers_and_prepares_nothing(self):
        self.connection.ensure_connection()
        actual = self.connection.connection.pgconn.backend_pid
        note = prepared.PreparedStatements.note

        def elsewhere(statements, session, escort, rows):
            note(statements, session, escort, [(actual + 1, large) for _, large in rows])

        with patch.object(prepared.PreparedStatements, "note", elsewhere):
            self.warm()
        self.assertEqual(self.rows(PREPARED), [])

    def test_small_table_is_not_worth_a_plan_that_reads_it_all(self):
        self.records().delete()
        self.rows("VACUUM ANALYZE django_dist_request")
        self.warm()
        self.assertEqual(self.rows(PREPARED), [])
        self.fill()
        self.warm(prepared.AGAIN)
        self.assertEqual(len(self.rows(PREPARED)), 4)

    def test_plan_is_made_anew_for_a_table_that_has_grown(self):
        with patch.object(prepared, "RENEWED", 20):
            self.warm()
            self.records().delete()
            self.rows("VACUUM ANALYZE django_dist_request")
            self.warm(7)  # now the plan is to read it all
            (name,) = next(row for row in self.rows(PREPARED) if "look_up" in row[0])
            self.fill(20000)
            self.warm(20)
        self.assertIn("EXECUTE", self.sent())
        plan = self.rows(f"EXPLAIN EXECUTE {name}('{uuid.uuid4()}')")
        self.assertIn("Index Scan", str(plan))

    def test_table_that_has_shrunk_is_read_without(self):
        with patch.object(prepared, "RENEWED", 5):
            self.warm()
            self.records().delete()
            self.rows("VACUUM ANALYZE django_dist_request")
            self.warm(7)
        self.assertNotIn("EXECUTE", self.sent())
        self.assertEqual(self.effects(), self.ours().count() + prepared.FIRST + 2)

    def test_binding_on_the_server_prepares_nothing_of_ours(self):
        self.configure(CONN_MAX_AGE=None, OPTIONS={"server_side_binding": True})
        features = vars(self.connection.features)
        features.pop("uses_server_side_binding", None)
        self.addCleanup(features.pop, "uses_server_side_binding", None)
        self.warm()
        self.assertEqual(self.rows(PREPARED), [])


@needs("postgres")
class AsyncPreparedTests(PreparedTests):
    asynchronous = True
