"""Conformance: saving and deleting one row never overwrites a version that was not read."""

import json
import pickle
from typing import Any
from unittest.mock import patch

from asgiref.sync import async_to_sync
from django.apps import apps
from django.core import serializers
from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import F

from ..exceptions import ConflictError, StaleVersion
from .concurrency_harness import ConcurrencyHarness
from .concurrency_models import Book, Cafe, Part, Still, Ware, WareProxy


class Versions(ConcurrencyHarness):
    """Saving and deleting one row."""

    def pair(self, model: Any = Ware, **values: Any) -> tuple[Any, Any]:
        """Return a row as two have read it; the second has changed it since."""
        mine = self.make(model, name="first", **values)
        theirs = self.again(mine)
        theirs.name = "theirs"
        theirs.save()
        return mine, theirs

    def assert_theirs(self, mine: Any) -> None:
        """Assert that nothing was written over what the other wrote."""
        row = self.again(mine)
        self.assertEqual(row.name, "theirs")
        self.assertEqual(getattr(row, "version", None) or row.revision, 2)

    def test_version_starts_at_1_and_counts_every_save(self) -> None:
        row = Ware(name="new")
        row.save(using=self.database)
        seen = [row.version]
        for _ in range(2):
            row.save()
            seen.append(row.version)
        self.assertEqual((seen, self.again(row).version), ([1, 2, 3], 3))

    def test_stale_save_is_a_conflict_every_time(self) -> None:
        for model in (Ware, WareProxy, Book, Cafe):
            mine, _ = self.pair(model)
            mine.name = "mine"
            for save in (mine.save, mine.save, lambda mine=mine: mine.save(force_update=True), mine.save):
                with self.subTest(model=model.__name__), self.assertRaises(StaleVersion) as caught:
                    save()
                self.assertEqual((caught.exception.expected, caught.exception.actual), (1, 2))
                self.assertFalse(caught.exception.gone)
            self.assert_theirs(mine)
        self.assertIsInstance(caught.exception, (ConflictError, DatabaseError))
        self.assertTrue(caught.exception.retryable)
        self.assertEqual((caught.exception.model, caught.exception.pk), (Cafe, mine.pk))

    def test_stale_save_of_some_fields_is_a_conflict(self) -> None:
        cases = ((Ware, ["colour"]), (Book, ["pages"]), (Book, ["colour"]), (Cafe, ["seats"]), (Cafe, ["menu"]))
        for model, fields in cases:
            mine, _ = self.pair(model)
            setattr(mine, fields[0], 5)
            with self.subTest(model=model.__name__, fields=fields), self.assertRaises(StaleVersion):
                mine.save(update_fields=fields)
            self.assert_theirs(mine)
            self.assertNotIn(getattr(self.again(mine), fields[0]), (5, "5"))

    def test_stale_save_of_an_expression_is_a_conflict(self) -> None:
        mine, _ = self.pair()
        mine.count = F("count") + 5
        with self.assertRaises(StaleVersion):
            mine.save()
        self.assertEqual(self.again(mine).count, 0)

    def test_async_save_and_delete_are_checked(self) -> None:
        mine, theirs = self.pair()
        for change in (mine.asave, mine.adelete):
            with self.assertRaises(StaleVersion):
                async_to_sync(change)()
        async_to_sync(theirs.adelete)()

    def test_pickled_instance_and_partial_refresh_are_as_stale_as_before(self) -> None:
        mine, _ = self.pair()
        with patch.dict(apps.all_models["django_dist"], ware=Ware):
            copy = pickle.loads(pickle.dumps(mine))
        with self.assertRaises(StaleVersion):
            copy.save()
        mine.refresh_from_db(fields=["name"])
        with self.assertRaises(StaleVersion):
            mine.save()
        mine.refresh_from_db()
        mine.save()
        self.assertEqual(mine.version, 3)

    def test_stale_delete_is_a_conflict_and_cascades_nothing(self) -> None:
        for model in (Ware, Book, Cafe):
            mine, theirs = self.pair(model)
            parts = [self.make(Part, ware_id=mine.pk)] if issubclass(model, Ware) else []
            with self.subTest(model=model.__name__), self.assertRaises(StaleVersion):
                mine.delete()
            self.assert_theirs(mine)
            self.assertEqual(self.rows(Part).count(), len(parts))
            theirs.delete()
            self.assertEqual(self.rows(Part).count(), 0)
            self.assertFalse(self.rows(model).filter(pk=mine.pk or theirs.pk).exists())

    def test_row_that_is_gone_never_returns(self) -> None:
        for model in (Ware, Book, Cafe):
            mine = self.make(model, name="first")
            self.rows(model).filter(pk=mine.pk).delete()
            for save in (mine.save, lambda mine=mine: mine.save(update_fields=["name"]), mine.delete):
                with self.subTest(model=model.__name__), self.assertRaises(StaleVersion) as caught:
                    save()
                self.assertEqual((caught.exception.gone, caught.exception.actual), (True, None))
            self.assertEqual(self.rows(model).count(), 0)

    def test_insert_with_a_preset_key_works_and_overwrites_nothing(self) -> None:
        row = Ware(pk=77, name="new")
        row.save(using=self.database)
        self.assertEqual((self.again(row).name, row.version), ("new", 1))
        with self.assertRaises(IntegrityError), transaction.atomic(self.database):
            Ware(pk=77, name="other").save(using=self.database)
        with self.assertRaises(StaleVersion):
            Ware(pk=77, name="other").save(using=self.database, update_fields=["name"])
        self.assertEqual(self.again(row).name, "new")
        Ware(pk=77, name="detached", version=1).save(using=self.database)
        with self.assertRaises(StaleVersion):
            Ware(pk=77, name="detached again", version=1).save(using=self.database)
        self.assertEqual((self.again(row).name, self.again(row).version), ("detached", 2))

    def test_version_that_was_not_read_is_read_with_the_row_or_refused(self) -> None:
        mine, _ = self.pair()
        for rows in (self.rows(Ware).only("name"), self.rows(Ware).defer("version", "colour")):
            row = rows.get(pk=mine.pk)
            row.name = "loaded"
            self.rows(Ware).filter(pk=mine.pk).update(colour="blue")
            with self.assertRaises(StaleVersion):
                row.save()
        row = self.rows(Ware).raw("SELECT id, name FROM django_dist_testing_ware")[0]
        self.assertEqual(row.version, 4)
        for write in (row.save, row.delete, lambda: self.rows(Ware).bulk_update([row], ["name"])):
            with self.assertRaises(StaleVersion):
                write()
        self.assertEqual(self.again(mine).version, 4)

    def test_version_that_is_no_version_is_refused(self) -> None:
        row = self.make(Ware)
        for version in (None, True, F("version"), "x"):
            row.version = version
            with self.subTest(version=version), self.assertRaises(TypeError):
                row.save()
        self.assertEqual(self.again(row).version, 1)

    def test_copy_starts_at_1(self) -> None:
        _, row = self.pair()
        row.pk = None
        row.save()
        self.assertEqual((row.version, self.again(row).version, self.rows(Ware).count()), (1, 1, 2))

    def test_save_takes_one_statement(self) -> None:
        row = self.make(Ware)
        self.assertEqual(self.statements(row.save), 1)
        self.assertEqual(self.statements(lambda: row.save(update_fields=["name"])), 1)
        self.assertEqual(self.statements(lambda: Ware(name="new").save(using=self.database)), 1)

    def test_save_that_changes_nothing_bumps_unless_the_model_says_no(self) -> None:
        row, still = self.make(Ware), self.make(Still)
        row.save()
        still.save()
        self.assertEqual((row.version, still.version), (2, 1))
        still.name = "changed"
        still.save()
        self.assertEqual((still.version, self.again(still).version), (2, 2))
        still.save()
        self.assertEqual(self.again(still).version, 2)
        for name in ("", "changed", ""):
            still.name = name
            still.save()
            self.assertEqual(self.again(still).name, name)
        with self.assertRaises(KeyError), transaction.atomic(self.database):
            still.name = "undone"
            still.save()
            raise KeyError
        still.save()
        self.assertEqual(self.again(still).name, "undone")
        self.rows(Still).filter(pk=still.pk).update(name="theirs")
        with self.assertRaises(StaleVersion):
            still.save()

    def test_fixture_is_written_as_it_is_however_often(self) -> None:
        _, row = self.pair()
        registered = patch.dict(apps.all_models["django_dist"], ware=Ware)
        registered.start()
        self.addCleanup(registered.stop)
        fixture = serializers.serialize("json", [row])
        self.assertEqual(json.loads(fixture)[0]["fields"]["version"], 2)
        self.rows(Ware).filter(pk=row.pk).delete()
        for _ in range(2):
            for found in serializers.deserialize("json", fixture, using=self.database):
                found.save(using=self.database)
            self.assertEqual(self.again(row).version, 2)
        self.again(row).save()
