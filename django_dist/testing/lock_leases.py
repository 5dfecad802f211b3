"""What a lease is promised: held for the block, renewed, and its loss told in time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from django.dispatch import Signal

from .. import signals
from ..exceptions import BackendUnavailable, LockLost, LockTimeout
from ..locks import Lease
from .lock_harness import PATIENCE_S, SHORT_S, LockHarness

RENEWED_S = 1.5  # a lease that a thread of a busy machine renews in time


class Odd(Exception):
    """Raised by a block."""


class Leases(LockHarness):
    """What ``with lock(...) as lease`` gives."""

    def setUp(self) -> None:
        super().setUp()
        self.losses: list[Lease] = []

    @contextmanager
    def unanswered(self, method: str, *, times: int = 1, done: bool = False) -> Iterator[None]:
        """Let the first ``times`` calls of a method be unanswered; with ``done``, they have taken effect."""
        real, left = getattr(self.locks, method), [None] * times

        def call(*args: Any) -> Any:
            if not left:
                return real(*args)
            left.pop()
            if done:
                real(*args)
            raise BackendUnavailable("the line was cut")

        with patch.object(self.locks, method, call):
            yield

    @contextmanager
    def heard(self, signal: Signal) -> Iterator[list[dict[str, Any]]]:
        """Give what is sent by ``signal``."""
        sent: list[dict[str, Any]] = []

        def hear(**told: Any) -> None:
            sent.append(told)

        signal.connect(hear)
        try:
            yield sent
        finally:
            signal.disconnect(hear)

    def test_block_holds_the_lock(self) -> None:
        with self.lock() as lease:
            self.assertEqual((lease.name, lease.depth, lease.held()), ("a", 1, True))
            self.assertIsNone(self.other().fence)
            lease.check()
        self.assertFalse(lease.held())
        self.assertTrue(self.is_free())
        with self.lock() as later:
            self.assertGreater(later.fence, lease.fence)

    def test_error_leaves_the_block_and_frees_the_lock(self) -> None:
        with self.assertRaises(Odd), self.lock():
            raise Odd
        self.assertTrue(self.is_free())

    def test_busy_lock_is_a_timeout(self) -> None:
        self.grant()
        with self.assertRaises(LockTimeout) as caught, self.lock(wait=0):
            self.fail("two holders")
        self.assertIsInstance(caught.exception, TimeoutError)
        self.assertEqual((caught.exception.name, caught.exception.retryable), ("a", True))

    def test_bounds_are_checked(self) -> None:
        wrong: list[tuple[str, dict[str, Any]]] = [
            *[(name, {}) for name in ("", "x" * 201, "\ud800")],
            *[("a", {"ttl": ttl}) for ttl in (0, -1, float("nan"), 1e18)],
            *[("a", {"wait": wait}) for wait in (-1, float("nan"), 1e18)],
            ("a", {"release": "never"}),
        ]
        for name, options in wrong:
            with self.subTest(name=name, **options), self.assertRaises(ValueError):
                self.lock(name, **options)

    def test_lease_is_renewed_while_the_block_lasts(self) -> None:
        with self.lock(ttl=RENEWED_S, on_lost=self.losses.append) as lease:
            self.grant("clock", ttl=1.5 * RENEWED_S)
            self.until(lambda: self.other().fence or self.other("clock").fence)
            self.assertIsNone(self.other().fence)
            self.assertTrue(lease.held())
        self.assertEqual(self.losses, [])

    def test_renewal_goes_on_when_the_store_was_silent_once(self) -> None:
        with self.unanswered("extend"), self.lock(ttl=RENEWED_S) as lease:
            self.grant("clock", ttl=1.5 * RENEWED_S)
            self.taken_over("clock")
            self.assertTrue(lease.held())

    def test_lease_without_renewal_ends_and_its_loss_is_told_once(self) -> None:
        block = self.lock(ttl=SHORT_S, renew=False, on_lost=self.losses.append)
        with self.assertRaises(LockLost) as caught, block as lease:
            self.until(lambda: self.losses)
            self.assertFalse(lease.held())
            fence = self.taken_over()
            for call in (lease.check, lease.extend):
                self.assertRaises(LockLost, call)
        self.assertEqual(caught.exception.name, "a")
        self.assertEqual(self.losses, [lease])
        self.assertTrue(self.locks.check("a", "next", fence))

    def test_loss_does_not_mask_the_error_of_the_block(self) -> None:
        with self.assertRaises(Odd), self.lock(ttl=SHORT_S, renew=False) as lease:
            self.until(lambda: not lease.held())
            raise Odd

    def test_loss_is_told_though_the_store_never_answers(self) -> None:
        answers = threading.Event()
        self.addCleanup(answers.set)

        def silent(*args: Any) -> bool:
            answers.wait(PATIENCE_S)
            return False

        block = self.lock(ttl=SHORT_S, on_lost=self.losses.append)
        with patch.object(self.locks, "extend", silent), self.assertRaises(LockLost), block as lease:
            self.until(lambda: self.losses)
            self.assertFalse(lease.held())

    def test_lease_is_counted_from_before_the_request(self) -> None:
        real = self.locks.try_acquire

        def late(*args: Any) -> Any:
            tried = real(*args)
            if args[1] != "next":
                self.taken_over()  # the answer takes longer than the lease
            return tried

        block = self.lock(ttl=SHORT_S, renew=False)
        with patch.object(self.locks, "try_acquire", late), self.assertRaises(LockLost), block as lease:
            self.assertFalse(lease.held())

    def test_extension_is_counted_from_before_the_request(self) -> None:
        real = self.locks.extend

        def late(*args: Any) -> bool:
            told = real(*args)
            self.grant("clock", ttl=0.6 * SHORT_S)
            self.taken_over("clock")
            return told

        block = self.lock(ttl=SHORT_S, renew=False)
        with patch.object(self.locks, "extend", late), self.assertRaises(LockLost), block as lease:
            lease.extend()
            self.taken_over()
            self.assertFalse(lease.held())

    def test_extension_begins_the_lease_of_the_block_anew(self) -> None:
        with self.lock(ttl=RENEWED_S, renew=False) as lease:
            self.grant("clock", ttl=0.8 * RENEWED_S)
            self.taken_over("clock")
            lease.extend()
            self.grant("clock again", ttl=0.5 * RENEWED_S)
            self.taken_over("clock again")
            self.assertTrue(lease.held())

    def test_broken_lock_is_told_by_the_renewal(self) -> None:
        with self.assertRaises(LockLost), self.lock(ttl=3 * RENEWED_S, on_lost=self.losses.append) as lease:
            self.locks.break_lock("a")
            self.until(lambda: self.losses)
            self.assertFalse(lease.held())

    def test_broken_lock_is_told_by_check_and_on_leaving(self) -> None:
        with self.assertRaises(LockLost), self.lock(on_lost=self.losses.append) as lease:
            self.locks.break_lock("a")
            self.assertTrue(lease.held())
            self.assertRaises(LockLost, lease.check)
            self.assertFalse(lease.held())
        with self.assertRaises(LockLost), self.lock(on_lost=self.losses.append):
            self.locks.break_lock("a")
        self.until(lambda: len(self.losses) == 2)

    def test_lock_is_not_held_where_the_store_does_not_answer(self) -> None:
        with self.unanswered("try_acquire", times=2), self.assertRaises(BackendUnavailable), self.lock():
            self.fail("held, and nobody knows")
        self.assertTrue(self.is_free())

    def test_lost_answer_to_acquire_costs_nothing(self) -> None:
        with self.unanswered("try_acquire", done=True), self.lock(wait=0) as lease:
            self.assertTrue(lease.held())
        self.assertTrue(self.is_free())

    def test_release_that_was_lost_is_repeated(self) -> None:
        with self.unanswered("release"), self.lock():
            pass
        self.assertTrue(self.is_free())

    def test_lost_answer_to_release_is_no_loss(self) -> None:
        with self.unanswered("release", done=True), self.lock(on_lost=self.losses.append):
            pass
        self.assertTrue(self.is_free())
        self.assertEqual(self.losses, [])

    def test_silent_store_does_not_fail_a_block_that_has_ended(self) -> None:
        with self.unanswered("release", times=2), self.assertLogs("django_dist.locks", "WARNING"), self.lock():
            pass
        self.assertIsNone(self.other().fence)

    def test_interrupt_while_the_store_grants_leaves_nothing_held(self) -> None:
        real = self.locks.try_acquire

        def interrupted(*args: Any) -> Any:
            real(*args)
            raise KeyboardInterrupt

        with patch.object(self.locks, "try_acquire", interrupted), self.assertRaises(KeyboardInterrupt), self.lock():
            self.fail("it was interrupted")
        self.assertTrue(self.is_free())

    def test_what_happens_is_signalled(self) -> None:
        hear = self.heard
        with hear(signals.lock_acquired) as acquired, hear(signals.lock_released) as released, self.lock() as lease:
            pass
        for sent, seconds in ((acquired, "waited"), (released, "held")):
            (told,) = sent
            self.assertEqual((told["name"], told["fence"]), ("a", lease.fence))
            self.assertGreaterEqual(told[seconds], 0)
        with hear(signals.lock_lost) as lost, self.assertRaises(LockLost), self.lock() as lease:
            self.locks.break_lock("a")
            self.assertRaises(LockLost, lease.check)
            self.until(lambda: lost)
        self.assertEqual([(told["name"], told["fence"]) for told in lost], [("a", lease.fence)])
