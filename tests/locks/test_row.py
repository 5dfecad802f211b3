"""Row locks: rows that are there, found by an index, and others left free."""

import threading
from contextlib import ExitStack
from unittest.mock import patch

from django.db import OperationalError, connections, transaction
from django.test import TransactionTestCase

from django_dist.exceptions import LocksTable, LockTimeout, OutsideAtomic
from django_dist.locks import RowLock, lock_rows
from django_dist.locks.row import _first_columns
from services import needs
from testapp.models import Account

PATIENCE_S = 15


class Rows:
    databases = {"default", "postgres", "mysql"}
    database = "default"

    def setUp(self):
        self.rows = Account.objects.using(self.database)
        for number in range(1, 6):
            self.rows.create(number=number, town="Ulm" if number < 3 else "Bonn", owner=f"owner {number}")

    def atomic(self):
        return transaction.atomic(using=self.database)

    def elsewhere(self, call):
        """Return what ``call`` returns in another session, or raise what it raises."""
        found = []

        def work():
            try:
                found.append((call(), None))
            except BaseException as error:  # noqa: BLE001  (raised below)
                found.append((None, error))
            finally:
                connections.close_all()

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        thread.join(PATIENCE_S)
        ((result, error),) = found
        if error is not None:
            raise error
        return result

    def locked(self, rows, **options):
        """Return the numbers that another session gets."""

        def call():
            with RowLock(rows, **{"wait": 0, **options}) as found:
                return [row.number for row in found]

        return self.elsewhere(call)

    def test_rows_come_locked_and_in_order(self):
        with self.atomic():
            found = lock_rows(self.rows.filter(pk__in=list(self.rows.values_list("pk", flat=True))).order_by("-number"))
            self.assertEqual([row.number for row in found], [1, 2, 3, 4, 5])
            with self.assertRaises(LockTimeout) as caught:
                self.locked(self.rows.filter(number=3))
        self.assertEqual(caught.exception.name, "testapp.Account")
        self.assertEqual(self.locked(self.rows.filter(number=3)), [3])

    def test_rows_stay_locked_until_the_outermost_block_ends(self):
        with self.atomic():
            with RowLock(self.rows.filter(number=1)) as [row]:
                row.balance = 5
                row.save()
            self.assertRaises(LockTimeout, self.locked, self.rows.filter(number=1))
        self.assertEqual(self.rows.get(number=1).balance, 5)

    def test_outside_of_a_transaction_is_refused(self):
        with self.assertRaisesRegex(OutsideAtomic, self.database):
            lock_rows(self.rows.filter(number=1))

    def test_row_that_is_not_there_is_refused(self):
        for rows, told in (
            (self.rows.filter(number=9), "1 of 1"),
            (self.rows.filter(number__in=[1, 8, 9]), "2 of 3"),
            (self.rows.filter(town="Nowhere"), "1 of 1"),
        ):
            with self.assertRaisesRegex(Account.DoesNotExist, told), RowLock(rows):
                self.fail("held, and nothing is locked")

    def test_timeout_leaves_the_transaction_usable(self):
        with ExitStack() as stack:
            if self.database == "default":  # one writer
                self.skipTest("on SQLite the transaction could not even begin")
            stack.enter_context(self.atomic())
            lock_rows(self.rows.filter(number=1))

            def other():
                with self.atomic():
                    self.rows.filter(number=2).update(balance=7)
                    for wait in (0, 0.2):
                        self.assertRaises(LockTimeout, lock_rows, self.rows.filter(number=1), wait=wait)
                    self.rows.filter(number=3).update(balance=8)

            self.elsewhere(other)
        self.assertEqual([self.rows.get(number=number).balance for number in (2, 3)], [7, 8])

    def test_wait_of_a_session_is_as_it_was(self):
        with self.atomic():
            before = self.bound()
            lock_rows(self.rows.filter(number=1), wait=7)
            self.assertEqual(self.bound(), before)
        self.assertEqual(self.bound(), before)

    def bound(self):
        with connections[self.database].cursor() as cursor:
            cursor.execute(self.asked)
            return cursor.fetchone()


class SQLiteTests(Rows, TransactionTestCase):
    asked = "PRAGMA busy_timeout"

    def test_database_is_locked_though_nothing_was_written(self):
        deferred = patch.object(connections["default"], "transaction_mode", None)  # BEGIN itself locks nothing
        with deferred, RowLock(self.rows.filter(number=1)):
            self.assertRaises(LockTimeout, self.locked, self.rows.filter(number=2))


class OnAServer:
    def test_other_rows_are_free(self):
        with RowLock(self.rows.filter(number=1)):
            self.assertEqual(self.locked(self.rows.filter(number=2)), [2])

            def write():
                self.rows.filter(number=4).update(balance=3)
                return self.rows.create(number=6, town="Kiel", owner="new").pk

            self.assertTrue(self.elsewhere(write))

    def test_locked_rows_are_left_out(self):
        with RowLock(self.rows.filter(number=3)):
            self.assertEqual(self.locked(self.rows.filter(number__in=[3, 4]), wait=None, skip_locked=True), [4])
            self.assertEqual(self.locked(self.rows.filter(number=3), wait=None, skip_locked=True), [])

    def test_waiter_gets_the_row_when_it_is_free(self):
        had = threading.Event()

        def hold():
            with RowLock(self.rows.filter(number=1)) as [row]:
                had.set()
                row.balance += 1
                threading.Event().wait(0.3)
                row.save()

        thread = threading.Thread(target=lambda: (hold(), connections.close_all()), daemon=True)
        thread.start()
        had.wait(PATIENCE_S)
        with RowLock(self.rows.filter(number=1), wait=PATIENCE_S) as [row]:
            self.assertEqual(row.balance, 1)
        thread.join(PATIENCE_S)


@needs("postgres")
class PostgreSQLTests(Rows, OnAServer, TransactionTestCase):
    database, asked = "postgres", "SELECT current_setting('lock_timeout')"

    def test_filter_without_an_index_locks_its_rows_alone(self):
        with RowLock(self.rows.filter(owner="owner 1")):
            self.assertEqual(self.locked(self.rows.filter(owner="owner 2")), [2])


@needs("mysql")
class MariaDBTests(Rows, OnAServer, TransactionTestCase):
    database, asked = "mysql", "SELECT @@innodb_lock_wait_timeout"

    def test_search_without_an_index_locks_the_table(self):
        """What lock_rows() keeps from happening."""
        with self.atomic():
            list(self.rows.filter(owner="owner 1").select_for_update())
            self.assertRaises(OperationalError, self.search, "owner 5")

    def search(self, owner):
        def call():
            with self.atomic():
                with connections["mysql"].cursor() as cursor:
                    cursor.execute("SET SESSION innodb_lock_wait_timeout = 1")
                return list(self.rows.filter(owner=owner).select_for_update())

        return self.elsewhere(call)

    def test_filter_that_no_index_serves_is_refused(self):
        rows = self.rows
        for wrong in (
            rows.all(),
            rows.filter(owner="owner 1"),
            rows.exclude(town="Ulm"),
            rows.filter(town__contains="l"),
            rows.filter(town="Ulm") | rows.filter(owner="owner 1"),
        ):
            with self.subTest(str(wrong.query)), self.atomic(), self.assertRaises(LocksTable) as caught:
                lock_rows(wrong)
            self.assertEqual(caught.exception.name, "testapp_account")

    def test_filter_that_an_index_serves_is_taken(self):
        rows = self.rows
        for right in (
            rows.filter(pk=rows.first().pk),
            rows.filter(number=1, owner="owner 1"),
            rows.filter(number__in=[1]),
            rows.filter(number__lt=2),
            rows.filter(town="Ulm", owner="owner 1"),
        ):
            with self.subTest(str(right.query)), self.atomic():
                self.assertEqual(lock_rows(right)[0].number, 1)

    def test_search_that_reads_the_whole_table_all_the_same_is_refused_where_it_is_asked_for(self):
        with self.atomic():
            lock_rows(self.rows.filter(number=1), strict=True)
            rows = self.rows.filter(number__gt=0)  # all of them
            lock_rows(rows)
            with self.assertRaisesRegex(LocksTable, "reads the whole table"):
                lock_rows(rows, strict=True)

    def test_indexes_are_those_of_the_database(self):
        connection = connections["mysql"]
        with connection.cursor() as cursor:
            found = connection.introspection.get_constraints(cursor, "testapp_account")
            (name,) = [name for name, each in found.items() if each["columns"] == ["town"]]
            cursor.execute(f"DROP INDEX {name} ON testapp_account")
        _first_columns.cache_clear()
        try:
            with self.assertRaises(LocksTable), RowLock(self.rows.filter(town="Ulm")):
                self.fail("the table is locked")
        finally:
            with connection.cursor() as cursor:
                cursor.execute(f"CREATE INDEX {name} ON testapp_account (town)")
            _first_columns.cache_clear()
