"""What many claims of one key at once come to: real threads with connections of their own, against the real store."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from django.db import connections

from ..dedupe import claim
from ..dedupe.entries import DedupeEntries
from .claims import Undo
from .dedupe_harness import PATIENCE_S, DedupeHarness
from .faults import blocked

CROWD = 8
ROUNDS = 5


class Crowds(DedupeHarness):
    """One winner of any number of racers."""

    def together(self, *calls: Callable[[], Any]) -> list[Any]:
        """Run ``calls`` at once and return what they returned."""
        start = threading.Barrier(len(calls), timeout=PATIENCE_S)

        def one(call: Callable[[], Any]) -> Any:
            connections[self.database].ensure_connection()
            start.wait()
            return call()

        return [future.result(PATIENCE_S) for future in [self.aside(one, call) for call in calls]]

    def paid(self, key: str) -> bool:
        """Claim and leave an effect, as a consumer does."""
        with self.atomic():
            won = claim("pay", key, using=self.database)
            if won:
                self.effect(key)
        return won

    def holder(self, ended: threading.Event, *, keep: bool) -> "Future[Any]":
        """Claim "a" on a thread, and return when it is held; it ends with the event."""
        held = threading.Event()

        def hold() -> None:
            with self.atomic():
                claim("pay", "a", using=self.database)
                self.effect("first")
                held.set()
                ended.wait(PATIENCE_S)
                if not keep:
                    raise Undo

        future = self.aside(hold)
        self.assertTrue(held.wait(PATIENCE_S))
        return future

    def waiter(self, ended: threading.Event) -> Any:
        """Claim "a" while it is held, let the holder end, and return what this claim came to."""
        second = self.aside(self.paid, "a")
        for _ in range(2000):
            if blocked(self.database) or second.done():
                break
            threading.Event().wait(0.005)
        self.assertFalse(second.done(), "it did not wait")
        ended.set()
        return second.result(PATIENCE_S)

    def test_crowd_has_one_winner(self) -> None:
        self.skip_unless_shared()
        for number in range(ROUNDS):
            told = self.together(*[lambda: self.paid(f"key {number}")] * CROWD)  # noqa: B023
            self.assertEqual(told.count(True), 1)
        self.assertEqual(self.effects(), [f"key {number}" for number in range(ROUNDS)])

    def test_crowd_at_an_expired_key_has_one_winner(self) -> None:
        self.skip_unless_shared()
        self.claimed("a", ttl=60)
        for _ in range(ROUNDS):
            self.expire("a")
            told = self.together(*[lambda: self.claimed("a", ttl=60)] * CROWD)
            self.assertEqual(told.count(True), 1)

    def test_crowd_beside_a_purge_has_one_winner(self) -> None:
        self.skip_unless_shared()
        for _ in range(2 * ROUNDS):
            self.claimed("a", ttl=60)
            self.expire("a")
            purge = DedupeEntries(self.database).purge
            told = self.together(*[lambda: self.claimed("a", ttl=60)] * 3, *[lambda: purge(10)] * 2)  # noqa: B023
            self.assertEqual(told[:3].count(True), 1, "lost" if True not in told[:3] else "doubled")
            self.expire("a")
            self.assertEqual(purge(10), 1)

    def test_second_waits_and_loses_when_the_first_commits(self) -> None:
        self.skip_unless_shared()
        ended = threading.Event()
        first = self.holder(ended, keep=True)
        self.assertFalse(self.waiter(ended))
        first.result(PATIENCE_S)
        self.assertEqual(self.effects(), ["first"])

    def test_second_waits_and_wins_when_the_first_rolls_back(self) -> None:
        self.skip_unless_shared()
        ended = threading.Event()
        first = self.holder(ended, keep=False)
        self.assertTrue(self.waiter(ended))
        self.assertIsInstance(first.exception(PATIENCE_S), Undo)
        self.assertEqual(self.effects(), ["a"])

    def test_other_keys_do_not_wait(self) -> None:
        self.skip_unless_shared()
        if connections[self.database].vendor == "sqlite":
            self.skipTest("SQLite has one writer at a time")
        ended = threading.Event()
        first = self.holder(ended, keep=True)
        self.assertTrue(self.aside(self.paid, "b").result(PATIENCE_S))
        ended.set()
        first.result(PATIENCE_S)

    def test_claims_of_many_in_opposite_orders_end_without_a_deadlock(self) -> None:
        self.skip_unless_shared()
        keys = [f"key {number}" for number in range(100)]
        for _ in range(ROUNDS):
            told = self.together(
                lambda: self.claimed_many(keys, ttl=60),
                lambda: self.claimed_many(reversed(keys), ttl=60),
                lambda: self.claimed_many(keys[50:] + keys[:50], ttl=60),
            )
            self.assertEqual(sorted(key for won in told for key in won), sorted(keys))
            self.expire(*keys[::2])  # in the next round half of them are new, and half renewed
            self.entries().exclude(pk__in=self._expired()).delete()

    def _expired(self) -> list[Any]:
        return list(self.entries().expired().values_list("pk", flat=True))
