"""Who holds a lock: one thread of one process, as often as it likes."""

import os
import time
from unittest.mock import patch

from ..exceptions import LockLost, LockTimeout
from ..locks import acquire_all, locked
from ..locks.owner import Owner
from .lock_harness import PATIENCE_S, SHORT_S, LockHarness
from .lock_leases import Odd


class Owners(LockHarness):
    """Re-entrance, several locks, functions under a lock."""

    def test_owner_may_enter_again_with_the_same_fence(self) -> None:
        with self.lock() as outer:
            with self.lock(wait=0) as inner:
                self.assertEqual((inner.fence, inner.depth), (outer.fence, 2))
            self.assertTrue(outer.held())
            self.assertEqual(outer.depth, 1)
            self.assertIsNone(self.other().fence)
        self.assertTrue(self.is_free())

    def test_lock_that_was_lost_is_not_entered_again(self) -> None:
        with self.assertRaises(LockLost), self.lock(ttl=SHORT_S, renew=False) as lease:
            self.until(lambda: not lease.held())
            with self.lock(wait=0):
                self.fail("it is lost")

    def test_other_thread_is_another_owner(self) -> None:
        def enter() -> None:
            with self.lock(wait=0):
                self.fail("two holders")

        with self.lock(), self.assertRaises(LockTimeout):
            self.elsewhere(enter)

    def test_block_may_be_entered_by_many_threads(self) -> None:
        block, fences = self.lock(), []

        def enter() -> None:
            with block as lease:
                fences.append(lease.fence)

        for future in [self.aside(enter) for _ in range(4)]:
            future.result(PATIENCE_S)
        self.assertEqual(len(set(fences)), 4)

    def test_lock_that_a_thread_has_left_behind_is_renewed_no_more(self) -> None:
        self.elsewhere(self.lock(ttl=SHORT_S).__enter__)
        self.taken_over()

    def test_child_after_a_fork_does_not_own_what_its_parent_holds(self) -> None:
        child = os.getpid() + 1
        with self.lock() as lease:
            with patch.object(os, "getpid", return_value=child):
                self.assertFalse(lease.held())
                with self.assertRaises(LockLost):
                    self.lock().__exit__(None, None, None)
                lease.close()
                with self.assertRaises(LockTimeout), self.lock(wait=0):
                    self.fail("two holders")
            self.assertTrue(lease.held())
            lease.check()

    def test_owner_tells_who_it_is(self) -> None:
        with self.lock():
            (holder,) = self.locks.holders()
        owner = Owner.read(holder.owner)
        self.assertEqual((owner.pid, owner.where), (os.getpid(), "MainThread"))
        self.assertEqual(Owner.read("of another make"), Owner("", 0, "", "of another make"))

    def test_all_of_several_are_held_or_none(self) -> None:
        fence = self.grant("b", "another")
        with self.assertRaises(LockTimeout) as caught, acquire_all(["c", "b", "a"], using=self.locks, wait=0.1):
            self.fail("b is held by another")
        self.assertEqual(caught.exception.name, "b")
        self.assertTrue(self.is_free("a") and self.is_free("c"))
        self.locks.release("b", "another", fence)
        with acquire_all(iter(["c", "b", "a", "c"]), using=self.locks, wait=0) as leases:
            self.assertEqual([(name, lease.held(), lease.depth) for name, lease in leases.items()],
                             [("a", True, 1), ("b", True, 1), ("c", True, 1)])  # fmt: skip
            self.assertFalse(any(self.is_free(name) for name in "abc"))
        self.assertTrue(all(self.is_free(name) for name in "abc"))

    def test_wait_for_several_is_bounded_together(self) -> None:
        self.grant("a", ttl=3 * SHORT_S)
        self.grant("b")
        began = time.monotonic()
        with self.assertRaises(LockTimeout), acquire_all("ab", using=self.locks, wait=4 * SHORT_S):
            self.fail("b is held by another")
        self.assertLess(time.monotonic() - began, 6 * SHORT_S)  # each by itself would be 7

    def test_several_in_opposite_orders_end_without_a_deadlock(self) -> None:
        def enter(names: str) -> None:
            for _ in range(5):
                with acquire_all(names, using=self.locks, wait=PATIENCE_S):
                    pass

        for future in [self.aside(enter, names) for names in ("abc", "cba", "bca")]:
            future.result(PATIENCE_S)

    def test_function_runs_under_the_lock_that_its_arguments_name(self) -> None:
        @locked("report:{id}:{kind}", using=self.locks)
        def report(id: int, *, kind: str = "short") -> list[str]:  # noqa: A002
            return [holder.name for holder in self.locks.holders()]

        self.assertEqual(report(7), ["report:7:short"])
        self.assertEqual(report(id=8, kind="long"), ["report:8:long"])
        self.assertEqual(self.locks.holders(), [])

    def test_function_is_skipped_or_refused_where_the_lock_is_busy(self) -> None:
        self.grant("job")
        skipped = locked("job", on_busy="skip", using=self.locks)(self.fail)
        self.assertIsNone(skipped("it ran"))
        refused = locked("job", wait=0, using=self.locks)(self.fail)
        self.assertRaises(LockTimeout, refused, "it ran")

    def test_timeout_of_the_function_itself_is_not_taken_for_a_busy_lock(self) -> None:
        @locked("job", on_busy="skip", using=self.locks)
        def work() -> None:
            raise LockTimeout("another lock", name="another")

        self.assertRaises(LockTimeout, work)

    def test_wrong_template_or_option_is_told_where_the_function_is_made(self) -> None:
        for template, options in (("report:{number}", {}), ("a", {"ttl": 0}), ("a", {"on_busy": "wait"})):
            with self.subTest(template=template), self.assertRaises(ValueError):
                locked(template, using=self.locks, **options)(self.fail)

    def test_error_of_a_function_is_its_own(self) -> None:
        @locked("job", using=self.locks)
        def work() -> None:
            raise Odd

        self.assertRaises(Odd, work)
        self.assertTrue(self.is_free("job"))
