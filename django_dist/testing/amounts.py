"""Conformance: amounts never leave their limits, and every refusal says why."""

from decimal import Decimal
from typing import Any

from asgiref.sync import async_to_sync
from django.db import transaction
from django.db.models import F

from ..concurrency import agive_many, atake_many, give_many, take_many
from ..exceptions import GuardFailed, StaleVersion
from .concurrency_harness import ConcurrencyHarness
from .concurrency_models import Book, Cafe, Stock, Ware

#: What is no amount for an integer, and for a decimal with two places.
NO_INTEGERS: list[Any] = [-3, 0, True, 1.5, 1.0, "3", None, Decimal(1), float("inf"), float("nan"), 10**30]
NO_DECIMALS: list[Any] = [
    -3,
    0,
    True,
    0.1,
    "3",
    None,
    Decimal("0.005"),
    Decimal("NaN"),
    Decimal("Infinity"),
    Decimal(-1),
]


class Amounts(ConcurrencyHarness):
    """One row, and the rows of a query set."""

    def test_take_returns_what_is_left_and_the_instance_has_it(self) -> None:
        for model in (Stock, Ware, Book):
            with self.subTest(model=model.__name__):
                row = self.make(model, count=10)
                self.assertEqual((row.take("count", 3), row.count), (7, 7))
                self.assertEqual((row.give("count", 5), row.count), (12, 12))
                self.assertEqual(self.again(row).count, 12)

    def test_take_never_leaves_less_than_the_floor(self) -> None:
        row = self.make(Stock, count=5)
        for amount, floor in ((6, 0), (5, 1), (1, 5), (11, -5)):
            with self.subTest(amount=amount, floor=floor), self.assertRaises(GuardFailed) as caught:
                row.take("count", amount, floor=floor)
            (short,) = caught.exception.short
            self.assertEqual((short.pk, short.field, short.wanted, short.has), (row.pk, "count", amount, 5))
        self.assertEqual((row.count, self.again(row).count), (5, 5))
        self.assertEqual((row.take("count", 5), row.take("count", 5, floor=-5)), (0, -5))

    def test_give_never_goes_over_the_ceiling_or_the_column(self) -> None:
        row = self.make(Stock, count=2**31 - 2)
        with self.assertRaises(GuardFailed):
            row.give("count", 1, ceiling=2**31 - 2)
        self.assertEqual(row.give("count", 1), 2**31 - 1)
        with self.assertRaises(GuardFailed):
            row.give("count", 1)
        self.assertEqual(self.again(row).count, 2**31 - 1)

    def test_what_is_no_amount_is_refused_and_nothing_is_written(self) -> None:
        row = self.make(Ware, count=5, money=Decimal(5))
        cases = [("count", amount) for amount in NO_INTEGERS] + [("money", amount) for amount in NO_DECIMALS]
        rows = self.rows(Ware).filter(pk=row.pk)
        for field, amount in cases:
            for change in (row.take, row.give, rows.take, rows.give):
                with self.subTest(field=field, amount=amount), self.assertRaises((TypeError, ValueError)):
                    change(field, amount)
            with self.subTest(field=field, amount=amount), self.assertRaises((TypeError, ValueError)):
                take_many(Ware, field, {row.pk: amount}, using=self.database)
        row = self.again(row)
        self.assertEqual((row.count, row.money, row.version), (5, Decimal(5), 1))

    def test_float_column_and_unknown_name_are_refused(self) -> None:
        row = self.make(Stock)
        for field, error in (("share", TypeError), ("id", TypeError), ("nothing", ValueError)):
            with self.subTest(field), self.assertRaises(error):
                row.take(field, 1)
        with self.assertRaises(ValueError):
            Stock(count=5).take("count", 1)

    def test_null_is_told_from_sold_out_and_from_a_row_that_is_gone(self) -> None:
        row = self.make(Stock)
        with self.assertRaises(GuardFailed) as caught:
            row.take("maybe", 1)
        self.assertEqual((caught.exception.short[0].has, caught.exception.short[0].missing), (None, False))
        self.assertIn("NULL", str(caught.exception))
        self.rows(Stock).filter(pk=row.pk).delete()
        with self.assertRaises(GuardFailed) as caught:
            row.take("count", 1)
        self.assertTrue(caught.exception.short[0].missing)

    def test_decimals_are_exact(self) -> None:
        for row in (self.make(Stock, money=Decimal("0.30")), self.make(Ware, money=Decimal("0.30"))):
            left = [row.take("money", Decimal("0.10")) for _ in range(3)]
            self.assertEqual(list(map(str, left)), ["0.20", "0.10", "0.00"])
            for _ in range(3):
                row.give("money", Decimal("0.10"))
            for _ in range(3):
                self.assertEqual(self.rows(type(row)).filter(pk=row.pk).take("money", Decimal("0.10")), 1)
            self.assertEqual(self.again(row).money, 0)

    def test_full_save_does_not_undo_a_change(self) -> None:
        for model in (Stock, Ware):
            row = self.make(model, count=10)
            row.take("count", 3)
            row.save()
            self.assertEqual(self.again(row).count, 7)

    def test_change_bumps_the_version(self) -> None:
        row, seen = self.make(Ware, count=10), 1
        for change in (
            lambda: row.take("count", 1),
            lambda: row.give("count", 1),
            lambda: self.rows(Ware).filter(pk=row.pk).take("count", 1),
            lambda: take_many(Ware, "count", {row.pk: 1}, using=self.database),
        ):
            change()
            seen += 1
            self.assertEqual(self.again(row).version, seen)
        self.assertEqual(row.version, 3)
        cafe = self.make(Cafe, seats=10)
        self.assertEqual((cafe.take("seats", 4), cafe.revision), (6, 2))
        self.assertEqual((self.again(cafe).seats, self.again(cafe).revision), (6, 2))

    def test_change_does_not_make_a_stale_instance_fresh(self) -> None:
        row = self.make(Ware, count=10)
        self.rows(Ware).filter(pk=row.pk).update(name="theirs")
        self.assertEqual(row.take("count", 3), 7)
        with self.assertRaises(StaleVersion):
            row.save()
        self.assertEqual(self.again(row).name, "theirs")

    def test_rolled_back_change_is_put_back_in_memory(self) -> None:
        row = self.make(Ware, count=10)
        with transaction.atomic(self.database):
            row.take("count", 1)
            try:
                with transaction.atomic(self.database):
                    row.take("count", 3)
                    row.give("count", 5)
                    raise KeyError
            except KeyError:
                pass
            self.assertEqual((row.count, row.version), (9, 2))
        self.assertEqual((row.count, row.version), (self.again(row).count, self.again(row).version))

    def test_take_is_one_statement(self) -> None:
        row = self.make(Stock, count=10)
        self.assertEqual(self.statements(lambda: row.take("count", 1)), 1)

    def test_refusal_leaves_the_transaction_usable(self) -> None:
        row = self.make(Ware, count=1)
        with transaction.atomic(self.database):
            row.give("count", 1)
            with self.assertRaises(GuardFailed):
                row.take("count", 3)
            with self.assertRaises(GuardFailed):
                take_many(Ware, "count", {row.pk: 3}, using=self.database)
            row.give("count", 1)
        self.assertEqual(self.again(row).count, 3)

    def test_rows_are_guarded_each_for_itself(self) -> None:
        rows = [self.make(Ware, count=count, name="a") for count in (0, 2, 3)]
        self.assertEqual(self.rows(Ware).filter(name="a").take("count", 2), 2)
        self.assertEqual([self.again(row).count for row in rows], [0, 0, 1])
        self.assertEqual(self.rows(Ware).filter(name="a").give("count", 2, ceiling=2), 2)
        self.assertEqual([self.again(row).count for row in rows], [2, 2, 1])

    def test_rows_of_a_child_and_of_a_join_are_guarded(self) -> None:
        book = self.make(Book, count=2, name="a", pages=7)
        self.assertEqual(self.rows(Book).filter(pages=7).take("count", 2), 1)
        self.assertEqual(self.rows(Book).filter(pages=7).take("count", 1), 0)
        self.assertEqual(self.again(book).count, 0)

    def test_async_twins_do_the_same(self) -> None:
        row = self.make(Ware, count=10)
        self.assertEqual(async_to_sync(row.atake)("count", 3), 7)
        self.assertEqual(async_to_sync(row.agive)("count", 1), 8)
        rows = self.rows(Ware).filter(pk=row.pk)
        self.assertEqual(async_to_sync(rows.atake)("count", 1), 1)
        self.assertEqual(async_to_sync(rows.agive)("count", 1), 1)
        self.assertEqual(async_to_sync(atake_many)(Ware, "count", {row.pk: 3}, using=self.database), {row.pk: 5})
        self.assertEqual(async_to_sync(agive_many)(Ware, "count", {row.pk: 3}, using=self.database), {row.pk: 8})

    def test_crowd_takes_exactly_what_is_there(self) -> None:
        row = self.make(Ware, count=20)

        def taking() -> int:
            mine, won = self.again(row), 0
            for _ in range(8):
                try:
                    mine.take("count", 1)
                    won += 1
                except GuardFailed:
                    pass
            return won

        self.assertEqual(sum(self.at_once([taking] * 4)), 20)
        self.assertEqual((self.again(row).count, self.again(row).version), (0, 21))

    def test_amount_beside_a_plain_f_expression(self) -> None:
        row = self.make(Stock, count=10)
        self.rows(Stock).filter(pk=row.pk).update(count=F("count") - 4)
        self.assertEqual(row.take("count", 1), 5)


class ManyAmounts(ConcurrencyHarness):
    """All rows or none."""

    def many(self, change: Any, amounts: Any, **limits: Any) -> Any:
        """Change the count of wares."""
        return change(Ware, "count", amounts, using=self.database, **limits)

    def test_all_rows_are_changed_and_their_values_returned(self) -> None:
        one, two = self.make(Ware, count=5), self.make(Ware, count=6)
        self.assertEqual(self.many(take_many, {two.pk: 2, one.pk: 1}), {one.pk: 4, two.pk: 4})
        self.assertEqual(self.many(give_many, {one.pk: 2, two.pk: 1}), {one.pk: 6, two.pk: 5})
        self.assertEqual((self.again(one).count, self.again(two).count), (6, 5))
        self.assertEqual(self.many(take_many, {}), {})

    def test_none_is_changed_and_every_short_row_is_named(self) -> None:
        rows = [self.make(Ware, count=count) for count in (5, 1, 9, 0)]
        gone = max(row.pk for row in rows) + 1
        with self.assertRaises(GuardFailed) as caught:
            self.many(take_many, {gone: 1, **{row.pk: 2 for row in rows}})
        told = {short.pk: (short.wanted, short.has, short.missing) for short in caught.exception.short}
        self.assertEqual(told, {rows[1].pk: (2, 1, False), rows[3].pk: (2, 0, False), gone: (2 - 1, None, True)})
        self.assertEqual([self.again(row).count for row in rows], [5, 1, 9, 0])

    def test_null_and_limits_are_kept(self) -> None:
        row = self.make(Stock, count=5)
        with self.assertRaises(GuardFailed) as caught:
            take_many(Stock, "maybe", {row.pk: 1}, using=self.database)
        self.assertEqual((caught.exception.short[0].has, caught.exception.short[0].missing), (None, False))
        ware = self.make(Ware, count=5)
        for change, limit in ((take_many, {"floor": 3}), (give_many, {"ceiling": 7})):
            with self.assertRaises(GuardFailed):
                self.many(change, {ware.pk: 3}, **limit)
        self.assertEqual(self.again(ware).count, 5)

    def test_decimals_of_many_rows_are_exact(self) -> None:
        rows = [self.make(Ware, money=Decimal("0.30")) for _ in range(2)]
        for left in ("0.20", "0.10", "0.00"):
            found = take_many(Ware, "money", {row.pk: Decimal("0.10") for row in rows}, using=self.database)
            self.assertEqual({str(value) for value in found.values()}, {left})

    def test_two_keys_of_one_row_are_refused(self) -> None:
        row = self.make(Ware, count=5)
        with self.assertRaises(ValueError):
            self.many(take_many, {row.pk: 1, str(row.pk): 1})

    def test_crowd_of_shuffled_orders_has_no_deadlock_and_no_part_of_an_order(self) -> None:
        rows = [self.make(Ware, count=12) for _ in range(4)]

        def ordering(turn: int) -> int:
            won = 0
            for step in range(10):
                order = [rows[(turn + step + place * (1 + turn % 3 * 2)) % 4] for place in range(2)]
                try:
                    self.many(take_many, {row.pk: 1 for row in order})
                    won += len({row.pk for row in order})
                except GuardFailed:
                    pass
            return won

        won = sum(self.at_once([lambda turn=turn: ordering(turn) for turn in range(4)]))  # type: ignore[misc]
        left = [self.again(row).count for row in rows]
        self.assertEqual((sum(left), min(left) >= 0), (48 - won, True))
