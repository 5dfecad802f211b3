"""What a guarded change prepares in a session of PostgreSQL, when, and what becomes of it when somebody discards it."""

from decimal import Decimal
from unittest.mock import patch

import pytest
from django.conf import settings
from django.db import IntegrityError, connections, transaction
from django.test import TransactionTestCase
from django.test.utils import CaptureQueriesContext

from django_dist import prepared
from django_dist.concurrency import postgresql, statements
from django_dist.exceptions import GuardFailed
from django_dist.testing.concurrency_harness import ConcurrencyHarness
from django_dist.testing.concurrency_models import Stock, Ware
from django_dist.testing.faults import proxied
from mutants import catalogue
from mutants.cases import caught_by, names
from services import needs

PREPARED = "SELECT name FROM pg_prepared_statements WHERE name LIKE 'django_dist_%'"
FIRST = prepared.FIRST  # as it is without a fault
MUTANTS, mutant = catalogue()


@needs("postgres")
class PreparedTests(ConcurrencyHarness, TransactionTestCase):
    database = "postgres"

    def setUp(self):
        super().setUp()
        self.connection = connections["postgres"]
        self.connection.close()  # each test begins with a session that knows nothing
        statements.guarded.cache_clear()
        self.row = self.make(Stock, count=10**6)
        worth_it = patch.object(prepared, "LARGE_BYTES", 0)
        worth_it.start()
        self.addCleanup(statements.guarded.cache_clear)
        self.addCleanup(worth_it.stop)

    def warm(self, takes=FIRST + 2):
        for _ in range(takes):
            self.row.take("count", 1)

    def run_sql(self, sql):
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def sent(self, amount=1):
        with CaptureQueriesContext(self.connection) as seen:
            self.row.take("count", amount)
        return " ".join(query["sql"] for query in seen.captured_queries)

    def left(self):
        return self.again(self.row).count

    def test_busy_connection_executes_what_it_has_prepared(self):
        self.warm(FIRST)
        self.assertEqual(self.run_sql(PREPARED), [])
        self.warm(2)
        self.assertEqual(len(self.run_sql(PREPARED)), 2)
        self.assertIn("EXECUTE django_dist_take_", self.sent())
        self.assertEqual((self.row.give("count", 5), self.left()), (10**6 - 3 - FIRST + 5,) * 2)

    def test_preparing_takes_no_round_trip(self):
        counts = set()
        with proxied("postgres") as proxy:
            for _ in range(FIRST + 4):
                self.connection.ensure_connection()
                before = proxy.round_trips
                self.row.take("count", 1)
                counts.add(proxy.round_trips - before)
            self.assertIn("EXECUTE", self.sent())
        self.assertEqual(counts, {1})

    def test_session_that_was_reset_goes_on_without(self):
        for reset in ("DISCARD ALL", "DEALLOCATE ALL"):
            with self.subTest(reset):
                self.connection.close()
                self.warm()
                before = self.left()
                self.run_sql(reset)
                self.assertEqual((self.row.take("count", 1), self.left()), (before - 1, before - 1))
                self.warm()
                self.assertEqual(self.run_sql(PREPARED), [])

    def test_transaction_of_the_caller_executes_nothing_that_may_be_gone(self):
        self.warm()
        self.run_sql("DISCARD ALL")
        before = self.left()
        with transaction.atomic("postgres"):
            self.assertNotIn("EXECUTE", self.sent())
            self.warm()
        self.assertEqual(self.left(), before - 3 - FIRST)

    def test_amount_beyond_the_column_is_short_and_no_error(self):
        self.warm()
        with self.assertRaises(GuardFailed):
            self.row.take("count", 2**40)
        gone = Stock(pk=2**40, count=1)
        gone._state.db = "postgres"
        with self.assertRaises(GuardFailed) as caught:
            gone.take("count", 1)
        self.assertTrue(caught.exception.short[0].missing)

    def test_version_and_decimals_come_back_as_they_are(self):
        ware = self.make(Ware, money=Decimal("0.10"))
        for number in range(1, FIRST + 4):
            self.assertEqual(ware.give("money", Decimal("0.10")), Decimal("0.10") * (number + 1))
            self.assertEqual(ware.version, number + 1)
        self.assertEqual(len(self.run_sql(PREPARED)), 2)
        ware.save()

    def test_other_errors_are_the_callers(self):
        self.warm()
        self.run_sql(f"ALTER TABLE {Stock._meta.db_table} ADD CONSTRAINT never CHECK (count > 0) NOT VALID")
        try:
            with self.assertRaisesMessage(IntegrityError, "never"):
                self.row.take("count", self.left())
        finally:
            self.run_sql(f"ALTER TABLE {Stock._meta.db_table} DROP CONSTRAINT never")

    def test_binding_on_the_server_prepares_nothing_of_ours(self):
        usual = self.connection.settings_dict
        self.addCleanup(setattr, self.connection, "settings_dict", usual)
        self.connection.settings_dict = {**usual, "OPTIONS": {"server_side_binding": True}}
        self.connection.close()
        features = vars(self.connection.features)
        features.pop("uses_server_side_binding", None)
        self.addCleanup(features.pop, "uses_server_side_binding", None)
        self.addCleanup(self.connection.close)
        self.warm()
        self.assertEqual(self.run_sql(PREPARED), [])


# -- faults --


@mutant("test_transaction_of_the_caller_executes_nothing_that_may_be_gone")
def executes_within_a_transaction():
    class Blind(prepared.PreparedStatements):
        def row(self, cursor, sql, values, savepoint=""):
            return self._row(cursor, sql, values, self.escort(cursor.db.connection))

    return patch.object(postgresql, "PreparedStatements", Blind)


@mutant("test_session_that_was_reset_goes_on_without")
def discarded_statement_is_an_error():
    return patch.object(prepared.PreparedStatements, "is_stale", lambda *a: False)


@mutant("test_amount_beyond_the_column_is_short_and_no_error")
def parameters_have_the_type_of_the_column():
    return patch.object(statements, "_value", lambda connection, field: "%s")


@mutant("test_busy_connection_executes_what_it_has_prepared", "test_version_and_decimals_come_back_as_they_are")
def nothing_is_prepared():
    return patch.object(prepared.PreparedStatements, "escort", lambda *a: [])


@mutant("test_busy_connection_executes_what_it_has_prepared")
def all_is_prepared_at_once():
    return patch.object(prepared, "FIRST", 1)


@mutant("test_preparing_takes_no_round_trip")
def prepares_in_a_round_trip_of_its_own():
    escort = prepared.PreparedStatements.escort

    def asking(self, session):
        travels = escort(self, session)
        if travels:
            session.execute("SELECT 1")
        return travels

    return patch.object(prepared.PreparedStatements, "escort", asking)


@needs("postgres")
@pytest.mark.django_db(transaction=True, databases=list(settings.DATABASES))
@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_mutant_is_caught(name):
    make, expected = MUTANTS[name]
    assert caught_by(make, expected, [PreparedTests]) == set(expected)


def test_every_fault_names_tests_that_are_there():
    assert {each for _, expected in MUTANTS.values() for each in expected} <= names(PreparedTests)
