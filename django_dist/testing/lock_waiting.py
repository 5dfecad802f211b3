"""What a waiter is promised: its turn, woken in time, and a store that is not asked more than need be."""

import threading
import time
from concurrent.futures import Future
from typing import Any
from unittest.mock import patch

from ..exceptions import LockTimeout
from ..locks import waiting
from .lock_harness import LONG_S, PATIENCE_S, SHORT_S, LockHarness

CROWD = 8
TURNS = 5
#: A wake-up comes within 0.1 s on a machine that has time; here, within that.
GENEROUS_S = 2.0
#: Calls of a store in a second, and at once, that one process with any number of waiters comes to.
CALLS_PER_S, CALLS_AT_ONCE = 40, 15
WAITERS = 40


class Waiting(LockHarness):
    """How a lock that is busy comes to the next."""

    def waiter(self, **options: Any) -> "Future[float]":
        """Wait for the lock on a thread; return when it was had."""

        def enter() -> float:
            with self.lock(**options):
                return time.monotonic()

        return self.aside(enter)

    def waits(self) -> bool:
        """Return whether the store knows of somebody who waits."""
        return any(holder.waiting for holder in self.locks.holders())

    def asking(self) -> Any:
        """Count the tries."""
        return patch.object(self.locks, "try_acquire", side_effect=self.locks.try_acquire)

    def test_waiter_is_woken_by_the_release_of_this_process(self) -> None:
        with patch.object(waiting, "FIRST_PAUSE_S", LONG_S), self.asking() as tried:
            with self.lock():
                waiter = self.waiter()
                # Now it sleeps for long, unless it is woken.
                self.until(lambda: self.waits() if self.queues else tried.call_count == 2)
            freed = time.monotonic()
            self.assertLess(waiter.result(PATIENCE_S) - freed, GENEROUS_S)

    def test_waiter_is_woken_by_the_release_of_another_process(self) -> None:
        with self.asking() as tried:
            fence = self.grant()
            waiter = self.waiter()
            self.until(lambda: self.waits() if self.queues else tried.call_count >= 4)
            self.locks.release("a", "one", fence)  # past what wakes in this process
            freed = time.monotonic()
            self.assertLess(waiter.result(PATIENCE_S) - freed, GENEROUS_S)

    def test_waiter_follows_a_holder_that_has_died(self) -> None:
        began = time.monotonic()
        self.grant(ttl=SHORT_S)
        had = self.waiter().result(PATIENCE_S)
        self.assertTrue(0.9 * SHORT_S <= had - began <= SHORT_S + GENEROUS_S, had - began)

    def test_wait_of_zero_is_one_try(self) -> None:
        self.grant()
        with self.asking() as tried, self.assertRaises(LockTimeout), self.lock(wait=0):
            self.fail("two holders")
        self.assertEqual(tried.call_count, 1)

    def test_wait_is_as_long_as_was_asked(self) -> None:
        self.grant()
        began = time.monotonic()
        with self.assertRaises(LockTimeout), self.lock(wait=SHORT_S):
            self.fail("two holders")
        self.assertTrue(SHORT_S <= time.monotonic() - began <= SHORT_S + GENEROUS_S)

    def test_wait_is_as_long_as_the_lease_unless_it_is_told(self) -> None:
        self.assertEqual((self.lock(ttl=7, wait=None).wait, self.lock(ttl=7, wait=3).wait), (7, 3))

    def test_many_waiters_of_a_process_ask_as_seldom_as_one(self) -> None:
        self.grant()
        with self.asking() as tried:
            began = time.monotonic()
            waiters = [self.waiter(wait=2 * SHORT_S) for _ in range(WAITERS)]
            for waiter in waiters:
                self.assertIsInstance(waiter.exception(PATIENCE_S), LockTimeout)
            calls, spent = tried.call_count, time.monotonic() - began
        self.assertLess(calls, CALLS_AT_ONCE + CALLS_PER_S * spent + WAITERS)  # each has a last try

    def test_waiters_of_a_process_come_in_the_order_of_their_coming(self) -> None:
        came: list[int] = []

        def enter(number: int) -> None:
            with self.lock():
                came.append(number)

        with self.lock():
            futures = []
            for number in range(CROWD):
                futures.append(self.aside(enter, number))
                self.until(lambda: self.locks.line.length("a") == len(futures))
        for future in futures:
            future.result(PATIENCE_S)
        self.assertEqual(came, list(range(CROWD)))

    def test_waiter_that_gives_up_leaves_its_place(self) -> None:
        fence = self.grant()
        hurried, patient = self.waiter(wait=SHORT_S), self.waiter()
        self.assertIsInstance(hurried.exception(PATIENCE_S), LockTimeout)
        self.locks.release("a", "one", fence)
        patient.result(PATIENCE_S)
        self.assertEqual(self.locks.line.length("a"), 0)

    def test_one_of_a_crowd_is_inside_at_a_time(self) -> None:
        inside, most, entered, fences = 0, 0, 0, []
        counting = threading.Lock()

        def enter() -> None:
            nonlocal inside, most, entered
            for _ in range(TURNS):
                with self.lock(using=self.another_process()) as lease:
                    with counting:
                        inside, entered = inside + 1, entered + 1
                        most = max(most, inside)
                        fences.append(lease.fence)
                    threading.Event().wait(0.002)
                    with counting:
                        inside -= 1

        for future in [self.aside(enter) for _ in range(CROWD)]:
            future.result(2 * PATIENCE_S)
        self.assertEqual((most, entered), (1, CROWD * TURNS))
        self.assertEqual(fences, sorted(set(fences)))
