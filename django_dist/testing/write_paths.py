"""Conformance: every other way in which the ORM writes bumps the version, and checks it where rows were read."""

from collections.abc import Callable
from typing import Any

from django.db import IntegrityError, connections, transaction
from django.db.models import F

from ..concurrency import unchecked
from ..exceptions import StaleVersion
from .concurrency_harness import ConcurrencyHarness
from .concurrency_models import Book, Cafe, Part, Ware


class WritePaths(ConcurrencyHarness):
    """The other ways in which the ORM writes."""

    def assert_bumps(self, change: Callable[[Any], Any], version: int = 2) -> None:
        """Assert that ``change`` leaves a new version, so that who read before is refused."""
        row = self.make(Ware, name="first", code="a", count=5)
        stale = self.again(row)
        change(row)
        self.assertEqual(self.again(row).version, version)
        with self.assertRaises(StaleVersion):
            stale.save()

    def test_save_of_some_fields_bumps(self) -> None:
        self.assert_bumps(lambda row: row.save(update_fields=["name"]))

    def test_save_of_an_expression_bumps(self) -> None:
        def change(row: Any) -> None:
            row.count = F("count") - 1
            row.save()

        self.assert_bumps(change)
        self.assertEqual(self.rows(Ware).get().count, 4)

    def test_update_bumps(self) -> None:
        self.assert_bumps(lambda row: self.rows(Ware).filter(pk=row.pk).update(name="theirs"))

    def test_update_of_a_child_bumps_the_version_of_its_parent(self) -> None:
        book, cafe = self.make(Book), self.make(Cafe)
        self.rows(Book).update(pages=3)
        self.rows(Book).update(name="x")
        self.rows(Cafe).update(seats=3)
        self.assertEqual((self.again(book).version, self.again(cafe).revision), (3, 2))

    def test_update_refuses_to_set_the_version(self) -> None:
        row = self.make(Ware)
        with self.assertRaises(ValueError):
            self.rows(Ware).update(version=9)
        with unchecked(Ware):
            self.rows(Ware).update(version=9)
        self.assertEqual(self.again(row).version, 9)

    def test_update_or_create_bumps(self) -> None:
        self.assert_bumps(lambda row: self.rows(Ware).update_or_create(pk=row.pk, defaults={"name": "theirs"}))

    def test_update_by_a_foreign_key_that_is_set_to_null_bumps(self) -> None:
        ware, spare = self.make(Ware), self.make(Ware)
        part = self.make(Part, ware=ware, spare=spare)
        spare.delete()
        self.assertEqual((self.again(part).spare_id, self.again(part).version), (None, 2))

    def test_upsert_bumps_the_row_that_is_there(self) -> None:
        named = {"unique_fields": ["code"]} if connections[self.database].vendor != "mysql" else {}

        def change(row: Any) -> None:
            self.rows(Ware).bulk_create(
                [Ware(code="a", name="theirs"), Ware(code="b")],
                update_conflicts=True,
                update_fields=["name"],
                **named,
            )

        self.assert_bumps(change)
        self.assertEqual(sorted(self.rows(Ware).values_list("code", "version")), [("a", 2), ("b", 1)])

    def test_instance_of_an_upsert_does_not_pass_for_one_that_was_read(self) -> None:
        row = self.make(Ware, name="first", code="a")
        other = Ware(pk=row.pk, code="a", name="other")
        self.rows(Ware).bulk_create([other], ignore_conflicts=True)
        with self.assertRaises((StaleVersion, IntegrityError)), transaction.atomic(self.database):
            other.save(using=self.database)
        self.assertEqual(self.again(row).name, "first")

    def test_bulk_create_starts_at_1_and_can_be_saved(self) -> None:
        made = self.rows(Ware).bulk_create([Ware(pk=5), Ware(pk=6, version=4)])
        self.assertEqual([each.version for each in made], [1, 1])
        for each in made:
            each.save()
            self.assertEqual(self.again(each).version, 2)

    def test_bulk_update_bumps_and_memory_follows(self) -> None:
        rows = [self.make(model, name="first") for model in (Ware, Ware)]
        for row in rows:
            row.name = "new"
        self.assertEqual(self.rows(Ware).bulk_update(rows, ["name"]), 2)
        for row in rows:
            self.assertEqual((self.again(row).version, row.version, self.again(row).name), (2, 2, "new"))
            row.save()

    def test_bulk_update_of_stale_rows_names_them_all_and_writes_nothing(self) -> None:
        rows = [self.make(Ware, name="first") for _ in range(4)]
        self.rows(Ware).filter(pk=rows[1].pk).update(name="theirs")
        self.rows(Ware).filter(pk=rows[3].pk).delete()
        for row in rows:
            row.name = "mine"
        with transaction.atomic(self.database):
            with self.assertRaises(StaleVersion) as caught:
                self.rows(Ware).bulk_update(rows, ["name"])
            self.assertEqual(self.rows(Ware).count(), 3)
        self.assertEqual(caught.exception.pk, [rows[1].pk, rows[3].pk])
        self.assertEqual(sorted(self.rows(Ware).values_list("name", flat=True)), ["first", "first", "theirs"])

    def test_bulk_update_of_children_is_checked(self) -> None:
        books = [self.make(Book) for _ in range(2)]
        for book in books:
            book.pages = 3
        self.rows(Book).bulk_update(books, ["pages"])
        self.assertEqual([self.again(book).version for book in books], [2, 2])
        self.rows(Ware).update(name="theirs")
        with self.assertRaises(StaleVersion):
            self.rows(Book).bulk_update(books, ["pages"])

    def test_unchecked_writes_over_and_still_bumps(self) -> None:
        row = self.make(Ware, name="first")
        stale = self.again(row)
        row.save()
        stale.name = "forced"
        with unchecked(Ware):
            stale.save()
        self.assertEqual((stale.version, self.again(row).version, self.again(row).name), (3, 3, "forced"))
        with self.assertRaises(StaleVersion):
            row.save()
        with unchecked(Ware):
            row.delete()
        self.assertEqual(self.rows(Ware).count(), 0)

    def test_unchecked_is_of_its_model_and_its_thread_alone(self) -> None:
        row = self.make(Ware)
        stale = self.again(row)
        row.save()
        with unchecked(Ware), self.assertRaises(StaleVersion):
            self.elsewhere(stale.save)
        with unchecked(Part), self.assertRaises(StaleVersion):
            stale.save()
        with self.assertRaises(StaleVersion):
            stale.save()

    def test_crowd_that_saves_one_version_has_one_winner(self) -> None:
        for model in (Ware, Book, Cafe):
            row = self.make(model)
            readers = [self.again(row) for _ in range(4)]

            def saving(mine: Any) -> str | None:
                mine.name = f"{id(mine)}"
                try:
                    mine.save()
                except StaleVersion:
                    return None
                return str(mine.name)

            names = self.at_once([lambda mine=mine: saving(mine) for mine in readers])  # type: ignore[misc]
            self.assertEqual([name for name in names if name], [self.again(row).name])
