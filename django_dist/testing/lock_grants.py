"""What a store of locks is promised to do, a method at a time."""

import time

from .lock_harness import LONG_S, SHORT_S, LockHarness

#: Names that some comparison or coding takes for one.
ALIKE = (
    *("a", "A", "a ", "a  ", " a", "a\t", "á", "a\u0301", "å", "Å", "ß", "ss", "SS", "İ", "i", "\u0131", "\U0001f512"),
    *("\U0001f513", "\ufeffa", "a\u200b", "a%", "a_", "a\\", "a'", 'a"', "a:b", "a/b", "a\x00", "a\n", "1", "01"),
    *("job-181", "job-492", "x" * 199 + "y", "x" * 200, "x" * 199, "é" * 200, "\U0001f512" * 200),
)
MANY = 20


class Grants(LockHarness):
    """One holder a name, for as long as its lease, and a fence that grows."""

    def test_fence_grows_with_every_grant(self) -> None:
        fences = []
        for number in range(MANY):
            fences.append(self.grant(owner=f"owner {number}"))
            self.locks.release("a", f"owner {number}", fences[-1])
        self.assertEqual(fences, sorted(set(fences)))

    def test_held_lock_is_refused_and_its_rest_is_told(self) -> None:
        self.grant()
        tried = self.other()
        self.assertIsNone(tried.fence)
        self.assertLessEqual(tried.left, LONG_S)
        if self.tells_rest:
            self.assertGreater(tried.left, LONG_S / 2)

    def test_repeat_of_an_owner_is_granted_with_the_same_fence(self) -> None:
        fence = self.grant()
        self.assertEqual([self.grant(), self.grant()], [fence, fence])
        self.assertTrue(self.locks.release("a", "one", fence))
        self.assertTrue(self.is_free())

    def test_lease_ends_when_its_time_is_over_and_not_before(self) -> None:
        began = time.monotonic()
        fence = self.grant(ttl=SHORT_S)
        self.assertGreater(self.taken_over(), fence)
        self.assertGreaterEqual(time.monotonic() - began, 0.9 * SHORT_S)

    def test_release_frees_and_its_repeat_returns_the_same(self) -> None:
        fence = self.grant()
        self.assertEqual([self.locks.release("a", "one", fence) for _ in range(2)], [True, True])
        self.assertTrue(self.is_free())

    def test_late_release_frees_nobody_elses_lock(self) -> None:
        late = self.grant(ttl=SHORT_S)
        fence = self.taken_over()
        self.assertFalse(self.locks.release("a", "one", late))
        self.locks.release("a", "one", None)
        self.assertTrue(self.locks.check("a", "next", fence))

    def test_release_without_a_fence_frees_what_the_owner_has(self) -> None:
        self.grant()
        self.locks.release("a", "two", None)
        self.assertFalse(self.is_free())
        self.locks.release("a", "one", None)
        self.assertTrue(self.is_free())
        self.locks.release("never held", "one", None)

    def test_extension_puts_the_end_off(self) -> None:
        fence = self.grant(ttl=SHORT_S)
        self.assertTrue(self.locks.extend("a", "one", fence, LONG_S))
        self.grant("clock", ttl=SHORT_S)  # ends later than the first lease would have
        self.taken_over("clock")
        self.assertIsNone(self.other().fence)
        self.assertTrue(self.locks.check("a", "one", fence))

    def test_extension_begins_the_lease_anew_however_long_it_was(self) -> None:
        fence = self.grant(ttl=LONG_S)
        self.assertTrue(self.locks.extend("a", "one", fence, SHORT_S))
        self.taken_over()

    def test_extension_of_what_was_lost_is_refused(self) -> None:
        late = self.grant(ttl=SHORT_S)
        fence = self.taken_over()
        self.assertFalse(self.locks.extend("a", "one", late, LONG_S))
        self.assertFalse(self.locks.extend("a", "one", fence, LONG_S))
        self.locks.release("a", "next", fence)
        self.assertFalse(self.locks.extend("a", "next", fence, LONG_S))
        self.assertFalse(self.locks.extend("never held", "one", 1, LONG_S))

    def test_lease_that_has_ended_is_not_extended_though_nobody_took_it(self) -> None:
        fence = self.grant(ttl=SHORT_S)
        self.until(lambda: not self.locks.check("a", "one", fence))
        self.assertFalse(self.locks.extend("a", "one", fence, LONG_S))

    def test_check_tells_whether_a_lease_is_held(self) -> None:
        fence = self.grant()
        self.assertTrue(self.locks.check("a", "one", fence))
        self.assertFalse(self.locks.check("a", "two", fence))
        self.assertFalse(self.locks.check("a", "one", fence + 1))
        self.locks.release("a", "one", fence)
        self.assertFalse(self.locks.check("a", "one", fence))
        self.assertFalse(self.locks.check("never held", "one", fence))

    def test_holders_are_listed(self) -> None:
        self.grant("freed", "one")
        self.locks.release("freed", "one", None)
        first, second = self.grant("b", "two"), self.grant("a ä", "one")
        held = [(holder.name, holder.owner, holder.fence) for holder in self.locks.holders()]
        known = [("a ä", "one", second), ("b", "two", first)]
        self.assertEqual(held, known if self.tells_fence else [(name, owner, None) for name, owner, _ in known])
        for holder in self.locks.holders():
            self.assertTrue(0 <= holder.age < LONG_S / 2 < holder.left <= LONG_S, holder)

    def test_lease_that_has_ended_is_not_listed(self) -> None:
        self.grant(ttl=SHORT_S)
        self.until(lambda: not self.locks.holders())
        self.taken_over()

    def test_broken_lock_is_free_and_its_fence_is_passed(self) -> None:
        fence = self.grant()
        self.assertTrue(self.locks.break_lock("a"))
        self.assertFalse(self.locks.check("a", "one", fence))
        self.assertFalse(self.locks.extend("a", "one", fence, LONG_S))
        self.assertFalse(self.locks.release("a", "one", fence))
        self.assertGreater(self.grant(owner="two"), fence + 1)

    def test_what_nobody_holds_cannot_be_broken(self) -> None:
        self.assertFalse(self.locks.break_lock("never held"))
        self.locks.release("a", "one", self.grant())
        self.assertFalse(self.locks.break_lock("a"))
        self.grant("b", ttl=SHORT_S)
        self.until(lambda: not self.locks.holders())
        self.assertFalse(self.locks.break_lock("b"))

    def test_names_are_compared_exactly(self) -> None:
        for name in ALIKE:
            self.assertIsNotNone(self.other(name, "one").fence, name)
        self.assertEqual(sorted(holder.name for holder in self.locks.holders()), sorted(ALIKE))
