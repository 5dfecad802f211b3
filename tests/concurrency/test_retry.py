"""A function is run again on fresh data, at every isolation level; and what an isolation level makes of a conflict."""

import asyncio
from contextlib import contextmanager

from django.db import OperationalError, connections, transaction
from django.db.transaction import TransactionManagementError
from django.test import SimpleTestCase, TestCase, TransactionTestCase

from django_dist.concurrency import GuardedModel, compare, retry_on_conflict
from django_dist.exceptions import GuardFailed, StaleVersion
from django_dist.testing.concurrency_harness import ConcurrencyHarness
from django_dist.testing.concurrency_models import Ware
from services import needs


def failing(*errors):
    """Return a function that raises each of ``errors`` and then returns how often it was called."""
    left, calls = list(errors), []

    def function():
        calls.append(1)
        if left:
            raise left.pop(0)
        return len(calls)

    return function


STALE = StaleVersion("x", model=GuardedModel, pk=1, expected=1)
SHORT = GuardFailed("x", model=GuardedModel, pk=1, short=())


class Tries(SimpleTestCase):
    def test_conflict_is_repeated_and_its_last_is_raised(self):
        self.assertEqual(retry_on_conflict(attempts=3, backoff=0)(failing(STALE, STALE))(), 3)
        with self.assertRaises(StaleVersion):
            retry_on_conflict(attempts=2, backoff=0)(failing(STALE, STALE))()

    def test_what_is_no_conflict_is_raised_at_once(self):
        for error in (SHORT, OperationalError("x"), ValueError("x")):
            with self.assertRaises(type(error)):
                retry_on_conflict(backoff=0)(failing(error))()

    def test_coroutine_is_repeated(self):
        function = failing(STALE)

        @retry_on_conflict(backoff=0)
        async def afunction():
            return function()

        self.assertEqual(asyncio.run(afunction()), 2)

    def test_senseless_numbers_are_refused(self):
        for wrong in ({"attempts": 0}, {"backoff": -1}):
            with self.assertRaises(ValueError):
                retry_on_conflict(**wrong)


class InTestCase(TestCase):
    def test_block_of_a_testcase_does_not_count_and_one_within_does(self):
        again = retry_on_conflict(backoff=0)(failing(STALE))
        self.assertEqual(again(), 2)
        with transaction.atomic(), self.assertRaises(TransactionManagementError):
            again()


class AtEveryLevel(ConcurrencyHarness):
    levels = ("READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE")

    @contextmanager
    def level(self, name):
        """Set the isolation of this thread's connection."""
        connection = connections[self.database]
        with connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                cursor.execute(f"SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL {name}")
            elif connection.vendor == "mysql":
                cursor.execute(f"SET SESSION TRANSACTION ISOLATION LEVEL {name}")
        try:
            yield
        finally:
            connection.close()

    def test_conflict_is_a_stale_version_at_every_level(self):
        for name in self.levels:
            for write in ("save", "delete", "bulk"):
                row = self.make(Ware, name="first")
                with (
                    self.subTest(level=name, write=write),
                    self.level(name),
                    self.assertRaises(StaleVersion),
                    transaction.atomic(self.database),
                ):
                    mine = self.again(row)
                    self.elsewhere(lambda row=row: self.rows(Ware).filter(pk=row.pk).update(name="theirs"))
                    if write == "bulk":
                        self.rows(Ware).bulk_update([mine], ["name"])
                    else:
                        getattr(mine, write)()
                self.assertEqual(self.again(row).name, "theirs")

    def test_increments_that_are_retried_are_all_counted(self):
        for name in self.levels:
            row = self.make(Ware)

            @retry_on_conflict(attempts=60, backoff=0.002)
            def increment(row=row):
                with transaction.atomic(self.database):
                    mine = self.again(row)
                    mine.count += 1
                    mine.save()

            def run(increment=increment, name=name):
                with self.level(name):
                    for _ in range(5):
                        increment()

            with self.subTest(level=name):
                self.at_once([run] * 4)
                self.assertEqual((self.again(row).count, self.again(row).version), (20, 21))

    def test_three_ways_are_told_after_a_conflict(self):
        mine = self.make(Ware, name="first", colour="red", count=1)
        self.rows(Ware).filter(pk=mine.pk).update(name="theirs", count=2)
        mine.name, mine.colour = "mine", "blue"
        found = {name: (change.original, change.mine, change.theirs) for name, change in compare(mine).items()}
        self.assertEqual(
            found,
            {
                "version": (1, 1, 2),
                "name": ("first", "mine", "theirs"),
                "colour": ("red", "blue", "red"),
                "count": (1, 1, 2),
            },
        )


@needs("postgres")
class PostgreSQLTests(AtEveryLevel, TransactionTestCase):
    database = "postgres"


@needs("mysql")
class MariaDBTests(AtEveryLevel, TransactionTestCase):
    database = "mysql"
    levels = ("READ COMMITTED", "REPEATABLE READ")


del AtEveryLevel
