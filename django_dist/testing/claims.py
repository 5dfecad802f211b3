"""What a claim is promised: one winner, in the caller's transaction, for as long as it was asked."""

import enum
import uuid
from typing import Any

from django.db import connections
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from ..dedupe import claim, claim_many
from ..dedupe.entries import DedupeEntries
from ..exceptions import OutsideAtomic
from .dedupe_harness import DedupeHarness

MANY = 1000


class Undo(Exception):
    """Raised to roll back."""


class Number(int, enum.Enum):
    """Numbers with names."""

    EIGHT = 8


class WriteTo:
    """A router that sends all writes to one database."""

    alias = ""

    def db_for_write(self, model: Any, **hints: Any) -> str:
        """Return that database."""
        return self.alias


class Claims(DedupeHarness):
    """One winner, in the caller's transaction."""

    def test_first_claim_wins_and_repeats_lose(self) -> None:
        self.assertEqual([self.claimed("a"), self.claimed("a"), self.claimed("b")], [True, False, True])

    def test_repeat_in_the_same_transaction_loses(self) -> None:
        with self.atomic():
            told = [claim("pay", "a", using=self.database) for _ in range(3)]
        self.assertEqual(told, [True, False, False])

    def test_rollback_frees_the_key(self) -> None:
        with self.assertRaises(Undo), self.atomic():
            self.assertTrue(claim("pay", "a", using=self.database))
            raise Undo
        self.assertTrue(self.claimed("a"))

    def test_rollback_of_an_inner_block_frees_the_key(self) -> None:
        with self.atomic():
            with self.assertRaises(Undo), self.atomic():
                self.assertTrue(claim("pay", "a", using=self.database))
                raise Undo
            self.assertTrue(claim("pay", "a", using=self.database))
        self.assertFalse(self.claimed("a"))

    def test_scopes_do_not_share_keys(self) -> None:
        told = [self.claimed(key, scope=scope) for key, scope in (("c", "ab"), ("bc", "a"), ("c", "a"), ("c", "ab"))]
        self.assertEqual(told, [True, True, True, False])

    def test_key_is_its_text_whatever_its_type(self) -> None:
        number = uuid.uuid4()
        for first, again in ((7, "7"), (Number.EIGHT, "8"), ("mot", b"mot"), (number, str(number))):
            self.assertEqual((self.claimed(first), self.claimed(again)), (True, False), first)

    def test_key_of_many_messages_is_refused(self) -> None:
        for key, error in ((None, TypeError), (True, TypeError), (1.5, TypeError), ("", ValueError), (b"", ValueError)):
            with self.subTest(key=key), self.assertRaises(error):
                self.claimed(key)
            with self.subTest(key=key), self.assertRaises(error):
                self.claimed_many(["a", key])
        self.assertEqual(self.entries().count(), 0)

    def test_scope_and_ttl_out_of_bounds_are_refused(self) -> None:
        for scope, ttl in (
            ("", None),
            ("s" * 101, None),
            ("pay", 0),
            ("pay", -1),
            ("pay", float("nan")),
            ("pay", 1e18),
        ):
            with self.subTest(scope=scope, ttl=ttl), self.assertRaises(ValueError):
                self.claimed("a", scope=scope, ttl=ttl)
        self.assertEqual(self.entries().count(), 0)

    def test_claim_outside_of_a_transaction_is_an_error(self) -> None:
        calls: list[tuple[Any, Any]] = [(claim, "a"), (claim_many, [])]
        for call, key in calls:
            with self.assertRaises(OutsideAtomic) as caught:
                call("pay", key, using=self.database)
            self.assertIn(f"using={self.database!r}", str(caught.exception))
        self.assertEqual(self.entries().count(), 0)

    def test_claim_goes_where_the_router_says(self) -> None:
        router = type("Router", (WriteTo,), {"alias": self.database})
        with override_settings(DATABASE_ROUTERS=[router()]), self.atomic():
            self.assertTrue(claim("pay", "a"))
        self.assertFalse(self.claimed("a"))

    def test_claim_many_returns_what_it_has_won(self) -> None:
        self.claimed("b")
        self.assertEqual(self.claimed_many(["c", "b", "a", "c"]), {"a", "c"})
        self.assertEqual(self.claimed_many(iter(["a", "b", "d"])), {"d"})
        self.assertEqual(self.claimed_many([7, "7", 8]), {7, 8})

    def test_claim_is_one_statement(self) -> None:
        statements = 1 if connections[self.database].features.can_return_columns_from_insert else 2
        many = [str(number) for number in range(MANY)]
        with self.atomic():
            for keys, won in ((["a"], 1), (["a"], 0), (many, MANY), (many, 0), ([], 0)):
                with CaptureQueriesContext(connections[self.database]) as seen:
                    self.assertEqual(len(claim_many("pay", keys, using=self.database)), won)
                self.assertEqual(len(seen), statements if keys else 0, seen.captured_queries)

    def test_entry_holds_no_key(self) -> None:
        self.claimed("a card number")
        (row,) = self.entries().values()
        self.assertEqual(row["scope"], "pay")
        self.assertNotIn("card", repr(row))


class Expiry(DedupeHarness):
    """How long a key counts."""

    def test_key_counts_for_its_ttl_by_the_clock_of_the_database(self) -> None:
        self.claimed("a", ttl=3600)
        entry = self.entries().get()
        self.assertEqual(round((entry.expires_at - entry.claimed_at).total_seconds()), 3600)
        self.assertFalse(self.claimed("a"))

    def test_key_without_ttl_counts_for_ever(self) -> None:
        self.claimed("a")
        self.assertIsNone(self.entries().get().expires_at)
        self.assertFalse(self.claimed("a", ttl=1))
        self.assertIsNone(self.entries().get().expires_at)

    def test_expired_key_can_be_claimed_again_and_once(self) -> None:
        self.claimed_many("ab", ttl=60)
        self.expire("a", "b")
        self.assertEqual([self.claimed("a", ttl=60), self.claimed("a")], [True, False])
        self.assertEqual(self.claimed_many("abc", ttl=60), {"b", "c"})
        self.assertEqual(self.claimed_many("abc"), set())

    def test_renewed_key_forgets_what_was_kept(self) -> None:
        self.claimed("a", ttl=60)
        self.entries().update(result="1")
        self.expire("a")
        before = self.entries().get()
        self.assertTrue(self.claimed("a"))
        entry = self.entries().get()
        self.assertEqual((entry.result, entry.expires_at), (None, None))
        self.assertGreater(entry.claimed_at, before.claimed_at)

    def test_rolled_back_renewal_leaves_the_key_expired(self) -> None:
        self.claimed("a", ttl=60)
        self.expire("a")
        with self.assertRaises(Undo), self.atomic():
            self.assertTrue(claim("pay", "a", using=self.database))
            raise Undo
        self.assertTrue(self.claimed("a"))

    def test_purge_removes_what_has_expired_and_nothing_else(self) -> None:
        self.claimed_many("abc", ttl=60)
        self.claimed("for ever")
        self.expire("a", "b")
        entries = DedupeEntries(self.database)
        self.assertEqual(entries.expired(), 2)
        self.assertEqual([entries.purge(1), entries.purge(10), entries.purge(10)], [1, 1, 0])
        self.assertEqual(self.entries().count(), 2)
        self.assertFalse(self.claimed("c"))
        self.assertFalse(self.claimed("for ever"))
