"""Conformance: memory equals the database after a conflict, a rollback and a repair."""

from typing import Any

from django.db import IntegrityError, transaction

from ..exceptions import StaleVersion
from .concurrency_harness import ConcurrencyHarness
from .concurrency_models import Book, Cafe, Ware


class Rollbacks(ConcurrencyHarness):
    """Memory and database after what went wrong."""

    def assert_equal_to_the_row(self, row: Any) -> None:
        """Assert that the version in memory is the row's, and that the next save() works."""
        self.assertEqual(row.version, self.again(row).version)
        row.save()
        self.assertEqual(row.version, self.again(row).version)

    def test_conflict_leaves_the_transaction_usable(self) -> None:
        for model in (Ware, Book, Cafe):
            row = self.make(model, name="first")
            stale = self.again(row)
            stale.name = "mine"
            row.save()
            with transaction.atomic(self.database):
                before = self.make(Ware, name="before")
                for write in (stale.save, stale.delete):
                    with self.assertRaises(StaleVersion):
                        write()
                self.make(Ware, name="after")
            self.assertEqual(self.again(before).name, "before")
            self.assertEqual(self.again(row).name, "first")

    def test_rollback_puts_the_version_back(self) -> None:
        for model in (Ware, Book):
            row = self.make(model)
            with self.assertRaises(KeyError), transaction.atomic(self.database):
                row.save()
                row.save(update_fields=["name"])
                raise KeyError
            self.assert_equal_to_the_row(row)

    def test_rollback_of_a_savepoint_puts_back_what_it_saved_alone(self) -> None:
        row = self.make(Ware)
        with transaction.atomic(self.database):
            row.save()
            with self.assertRaises(KeyError), transaction.atomic(self.database):
                row.save()
                row.save()
                raise KeyError
            self.assertEqual(row.version, 2)
            row.save()
        self.assert_equal_to_the_row(row)

    def test_inner_block_that_is_kept_is_put_back_with_the_outer(self) -> None:
        row = self.make(Ware)
        with self.assertRaises(KeyError), transaction.atomic(self.database):
            with transaction.atomic(self.database):
                row.save()
            with self.assertRaises(ValueError), transaction.atomic(self.database):
                row.save()
                raise ValueError
            row.save()
            raise KeyError
        self.assert_equal_to_the_row(row)

    def test_insert_that_was_rolled_back_can_be_saved_again(self) -> None:
        for model in (Ware, Book, Cafe):
            row = model(name="new")
            with self.assertRaises(KeyError), transaction.atomic(self.database):
                row.save(using=self.database)
                raise KeyError
            row.save(using=self.database)
            self.assertEqual(self.again(row).name, "new")

    def test_delete_that_was_rolled_back_can_be_saved(self) -> None:
        row = self.make(Ware)
        with self.assertRaises(KeyError), transaction.atomic(self.database):
            row.delete()
            raise KeyError
        self.assert_equal_to_the_row(row)

    def test_bulk_update_that_was_rolled_back_is_put_back(self) -> None:
        row = self.make(Ware)
        with self.assertRaises(KeyError), transaction.atomic(self.database):
            self.rows(Ware).bulk_update([row], ["name"])
            raise KeyError
        self.assert_equal_to_the_row(row)

    def test_integrity_error_that_is_repaired_is_no_conflict(self) -> None:
        self.make(Ware, code="a")
        for row in (self.make(Ware, code="b"), self.make(Book, code="c"), Ware(pk=99), Book(code="d")):
            code, row.code = row.code, "a"
            with self.assertRaises(IntegrityError), transaction.atomic(self.database):
                row.save(using=self.database)
            row.code = code
            row.save(using=self.database)
            self.assert_equal_to_the_row(row)

    def test_committed_change_stays_in_memory(self) -> None:
        row = self.make(Ware)
        with transaction.atomic(self.database):
            row.save()
        self.assertEqual(row.version, 2)
        self.assert_equal_to_the_row(row)
