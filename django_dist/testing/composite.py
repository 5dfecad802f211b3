"""Conformance: what holds of one key holds of a key of several columns."""

from ..concurrency import take_many
from ..exceptions import GuardFailed, StaleVersion
from .concurrency_harness import ConcurrencyHarness
from .concurrency_models import Shelf


class Composite(ConcurrencyHarness):
    """Composite primary keys, of Django 5.2 and later."""

    def test_composite_key_is_checked_on_every_write_path(self) -> None:
        for write in ("save", "some", "delete", "bulk"):
            mine, other = self.make(Shelf, hall=1, number=2, name="first"), self.make(Shelf, hall=1, number=3)
            theirs = self.again(mine)
            theirs.name = "theirs"
            theirs.save()
            mine.name = "mine"
            writes = {
                "save": mine.save,
                "some": lambda mine=mine: mine.save(update_fields=["name"]),
                "delete": mine.delete,
                "bulk": lambda mine=mine, other=other: self.rows(Shelf).bulk_update([mine, other], ["name"]),
            }
            with self.subTest(write), self.assertRaises(StaleVersion) as caught:
                writes[write]()
            self.assertEqual((self.again(mine).name, self.again(mine).version), ("theirs", 2))
            self.assertIn((1, 2), (caught.exception.pk, *caught.exception.pk))
            theirs.delete()
            other.delete()

    def test_composite_key_is_guarded(self) -> None:
        row, other = self.make(Shelf, hall=1, number=2, count=5), self.make(Shelf, hall=2, number=2, count=5)
        self.assertEqual((row.take("count", 3), row.version), (2, 2))
        self.assertEqual(self.rows(Shelf).filter(hall=1).give("count", 1), 1)
        with self.assertRaises(GuardFailed) as caught:
            row.take("count", 4)
        self.assertEqual((caught.exception.short[0].pk, caught.exception.short[0].has), ((1, 2), 3))
        self.assertEqual((self.again(row).count, self.again(other).count), (3, 5))

    def test_many_composite_keys_are_refused(self) -> None:
        with self.assertRaisesRegex(TypeError, "composite primary key"):
            take_many(Shelf, "count", {(1, 2): 1}, using=self.database)
