"""What a claim prepares in a session of PostgreSQL, and that nothing of the caller's is lost where it was discarded."""

import contextlib
import uuid
from unittest.mock import patch

import pytest
from django.conf import settings
from django.db import connections, transaction
from django.test import TransactionTestCase
from django.test.utils import CaptureQueriesContext

from django_dist import begin, prepared
from django_dist.dedupe import claim
from django_dist.models import DedupeEntry
from django_dist.testing.faults import proxied
from mutants import catalogue
from mutants.cases import caught_by, names
from services import needs

PREPARED = "SELECT name FROM pg_prepared_statements WHERE name LIKE 'django_dist_claim_%'"
FIRST = prepared.FIRST  # as it is without a fault
MUTANTS, mutant = catalogue()


@needs("postgres")
class PreparedTests(TransactionTestCase):
    databases = {"postgres"}

    def setUp(self):
        self.connection = connections["postgres"]
        self.connection.close()  # each test begins with a session that knows nothing
        worth_it = patch.object(prepared, "LARGE_BYTES", 0)
        worth_it.start()
        self.addCleanup(worth_it.stop)
        self.addCleanup(self.connection.close)

    def claimed(self, key=None, *, before=()):
        """Claim ``key`` in a transaction of its own, after the statements ``before``; return whether it was won."""
        with transaction.atomic("postgres"):
            for sql in before:
                self.run_sql(sql)
            return claim("test", key or uuid.uuid4(), using="postgres")

    def warm(self):
        for _ in range(FIRST + 2):
            self.assertTrue(self.claimed())

    def run_sql(self, sql):
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def sent(self, **how):
        with CaptureQueriesContext(self.connection) as seen:
            self.claimed(**how)
        return " ".join(query["sql"] for query in seen.captured_queries)

    def entries(self):
        return DedupeEntry.objects.using("postgres").count()

    def test_busy_connection_executes_what_it_has_prepared(self):
        self.warm()
        self.assertEqual(len(self.run_sql(PREPARED)), 1)
        self.assertIn("BEGIN; EXECUTE django_dist_claim_", self.sent())
        self.assertIn("SAVEPOINT django_dist_claim; EXECUTE django_dist_claim_", self.sent(before=["SELECT 1"]))
        self.assertEqual(self.entries(), FIRST + 4)

    def test_repeat_is_told_and_an_end_renews(self):
        self.warm()
        key = uuid.uuid4()
        self.assertEqual([self.claimed(key), self.claimed(key)], [True, False])
        self.run_sql("UPDATE django_dist_dedupe SET expires_at = now() - interval '1 second'")
        self.assertEqual([self.claimed(key), self.claimed(key, before=["SELECT 1"])], [True, False])

    def test_claim_and_begin_are_one_round_trip(self):
        with proxied("postgres") as proxy:
            counts = []
            for _ in range(FIRST + 4):
                self.connection.ensure_connection()
                before = proxy.round_trips
                self.assertTrue(self.claimed())
                counts.append(proxy.round_trips - before)
            self.assertIn("EXECUTE", self.sent())
        self.assertEqual(set(counts), {2})  # the other is COMMIT

    def test_rollback_takes_the_claim_along(self):
        self.warm()
        for before in ([], ["SELECT 1"]):
            with self.subTest(before=before):
                there = self.entries()
                with self.assertRaises(LookupError), transaction.atomic("postgres"):
                    for sql in before:
                        self.run_sql(sql)
                    self.assertTrue(claim("test", uuid.uuid4(), using="postgres"))
                    raise LookupError
                self.assertEqual(self.entries(), there)

    def test_what_the_caller_wrote_outlives_a_discarded_statement(self):
        note = (
            "INSERT INTO django_dist_dedupe (digest, claimed_at, repeated, scope) VALUES ('{}', now(), false, 'mine')"
        )
        for reset in ("DISCARD ALL", "DEALLOCATE ALL"):
            for before in ([], [note]):
                with self.subTest(reset, before=before):
                    self.connection.close()
                    self.warm()
                    self.run_sql(reset)
                    there = self.entries()
                    self.assertTrue(self.claimed(before=[sql.format(uuid.uuid4()) for sql in before]))
                    self.assertEqual(self.entries(), there + 1 + len(before))
                    self.warm()
                    self.assertEqual(self.run_sql(PREPARED), [])

    def test_own_isolation_is_kept(self):
        self.warm()
        raw = self.connection.connection
        raw.isolation_level = 3
        self.addCleanup(self.connection.close)
        with transaction.atomic("postgres"):
            self.assertTrue(claim("test", uuid.uuid4(), using="postgres"))
            self.assertEqual(self.run_sql("SHOW transaction_isolation"), [("repeatable read",)])

    def test_others_see_a_transaction_and_no_autocommit(self):
        with transaction.atomic("postgres"):
            claim("test", uuid.uuid4(), using="postgres")
            self.assertFalse(self.connection.connection.autocommit)
            list(DedupeEntry.objects.using("postgres").select_for_update().iterator())


# -- faults --


@mutant("test_what_the_caller_wrote_outlives_a_discarded_statement")
def discarded_statement_is_an_error():
    return patch.object(prepared.PreparedStatements, "is_stale", lambda *a: False)


@mutant("test_what_the_caller_wrote_outlives_a_discarded_statement")
def takes_no_savepoint():
    row = prepared.PreparedStatements._row

    def bare(self, cursor, sql, values, escort, before=(), undo=(), after=()):
        return row(self, cursor, sql, values, escort, *([before, undo] if before == ["BEGIN"] else []))

    return patch.object(prepared.PreparedStatements, "_row", bare)


@mutant("test_busy_connection_executes_what_it_has_prepared")
def nothing_is_prepared():
    return patch.object(prepared.PreparedStatements, "escort", lambda *a: [])


@mutant("test_claim_and_begin_are_one_round_trip", "test_busy_connection_executes_what_it_has_prepared")
def begin_goes_ahead():
    return patch.object(prepared, "is_to_begin", lambda connection: False)


@mutant("test_own_isolation_is_kept")
def begin_forgets_the_isolation():
    return patch.object(prepared, "may_join", lambda connection: True)


@mutant("test_rollback_takes_the_claim_along")
def begin_is_left_out():
    row = prepared.PreparedStatements._row

    def bare(self, cursor, sql, values, escort, before=(), undo=(), after=()):
        with begin.own_begin(cursor.db):
            return row(self, cursor, sql, values, escort)

    return patch.object(prepared.PreparedStatements, "_row", bare)


@mutant("test_others_see_a_transaction_and_no_autocommit")
def leaves_autocommit_on():
    @contextlib.contextmanager
    def own_begin(connection):
        connection.connection._autocommit = True
        yield

    return patch.object(prepared, "own_begin", own_begin)


@needs("postgres")
@pytest.mark.django_db(transaction=True, databases=list(settings.DATABASES))
@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_mutant_is_caught(name):
    make, expected = MUTANTS[name]
    assert caught_by(make, expected, [PreparedTests]) == set(expected)


def test_every_fault_names_tests_that_are_there():
    assert {each for _, expected in MUTANTS.values() for each in expected} <= names(PreparedTests)
