"""Conformance of what a user's sessions are listed by, ended by, and limited to."""

from concurrent.futures import Future
from datetime import timedelta
from threading import Barrier
from typing import Any
from uuid import UUID

from asgiref.sync import async_to_sync
from django.contrib.sessions.backends.base import UpdateError

from ..exceptions import SessionLimitReached
from ..sessions import arevoke, arevoke_all, asessions_for, revoke, revoke_all, sessions_for
from .case import PATIENCE_S
from .session_harness import SessionHarness

LOGINS, MOST = 6, 2
META = {"REMOTE_ADDR": "203.0.113.77", "HTTP_USER_AGENT": "Browser/1\0 (phone)" + "x" * 500}


class PeopleConformance(SessionHarness):
    """Mixed into the suite of sessions."""

    # -- the list --

    def test_sessions_of_a_user_are_listed_without_a_cookie(self) -> None:
        mine, other = self.login(), self.login()
        self.login("8")
        self.saved(a=1)
        found = sessions_for("7", self.store(mine))
        self.assertEqual({one.id for one in found}, {str(self.store(key).digest) for key in (mine, other)})
        self.assertEqual([one.id for one in found if one.is_current], [str(self.store(mine).digest)])
        for key in (mine, other):
            self.assertNotIn(key, repr(found))
        for one in found:
            self.assertEqual((one.ip, one.user_agent), (None, None))
            self.assertAlmostEqual(one.seen_at - one.created_at, timedelta(0), delta=timedelta(seconds=PATIENCE_S))
            self.assertGreater(one.expires_at - one.seen_at, timedelta(days=13))
        self.assertEqual(sessions_for("9"), [])

    def test_last_seen_stands_first(self) -> None:
        keys = [self.login() for _ in range(3)]
        for key, idle in zip(keys, (50, 10, 100), strict=True):
            self.age(key, idle)
        found = [UUID(one.id) for one in sessions_for("7")]
        self.assertEqual(found, [self.store(keys[place]).digest for place in (1, 0, 2)])

    def test_what_is_over_or_logged_out_is_not_listed(self) -> None:
        self.with_options(max_age=1000)
        ended, old, left, renewed = (self.login() for _ in range(4))
        self.end(ended)
        self.age(old, 1001, created=True)
        self.store(left).flush()
        session = self.opened(renewed)
        session.cycle_key()
        self.assertEqual([one.id for one in sessions_for("7")], [str(session.digest)])
        session.clear()
        session["a"] = 1
        session.save()
        self.assertEqual(sessions_for("7"), [])

    def test_session_that_changes_hands_is_listed_for_the_other_alone(self) -> None:
        session = self.opened(self.login())
        session["_auth_user_id"] = "8"
        session.save()
        self.assertEqual(([one.id for one in sessions_for("8")], sessions_for("7")), ([str(session.digest)], []))

    def test_user_with_a_long_primary_key_is_told_from_others(self) -> None:
        one, other = "x" * 64 + "1", "x" * 64 + "2"
        self.login(one)
        self.assertEqual((len(sessions_for(one)), len(sessions_for(other))), (1, 0))

    def test_login_counts_as_creation(self) -> None:
        key = self.saved(cart=1)
        self.age(key, 900, created=True)
        session = self.opened(key)
        session.cycle_key()
        self.age(session.session_key, 900, created=True)
        session["_auth_user_id"] = "7"
        session.save()
        (found,) = sessions_for("7")
        self.assertLess(found.seen_at - found.created_at, timedelta(seconds=300))
        self.age(session.session_key, 900, created=True)
        session["b"] = 1
        session.save()
        (found,) = sessions_for("7")
        self.assertGreater(found.seen_at - found.created_at, timedelta(seconds=800))

    def test_list_and_ends_ask_the_store_once(self) -> None:
        one, other, another = (self.store(self.login()) for _ in range(3))
        self.assertEqual(self.asked(lambda: sessions_for("7", one)), 1)
        self.assertEqual(self.asked(lambda: revoke(str(other.digest), user="7")), 1)
        self.assertEqual(self.asked(lambda: revoke_all("7", except_session=one)), 1)
        self.assertEqual(self.asked(lambda: another.get("a")), 1)
        self.assertEqual(len(sessions_for("7")), 1)

    # -- the end from elsewhere --

    def test_revoked_session_is_over_and_a_running_request_cannot_undo_it(self) -> None:
        key, other = self.login(), self.login()
        running, renewing, touching = (self.opened(key) for _ in range(3))
        self.assertTrue(revoke(str(running.digest)))
        self.assertFalse(revoke(str(running.digest)))
        running["b"] = 2
        with self.assertRaises(UpdateError):
            running.save()
        renewing.cycle_key()
        touching.touch()
        self.assertEqual((self.now(key), renewing.session_key, self.count()), ({}, None, 1))
        self.assertEqual([one.id for one in sessions_for("7")], [str(self.store(other).digest)])

    def test_session_of_another_user_is_not_revoked(self) -> None:
        key, nobody = self.login(), self.saved(a=1)
        for session in (self.store(key), self.store(nobody)):
            self.assertFalse(revoke(str(session.digest), user="8"))
        for wrong in ("", "x", key, str(UUID(int=1))):
            self.assertFalse(revoke(wrong))
        self.assertEqual(self.count(), 2)
        self.assertTrue(revoke(str(self.store(key).digest), user="7"))
        self.assertTrue(revoke(str(self.store(nobody).digest)))
        self.assertEqual(self.count(), 0)

    def test_all_sessions_end_except_one_and_those_of_others(self) -> None:
        mine, *others = (self.login() for _ in range(4))
        self.login("8")
        running = self.opened(others[0])
        self.assertEqual(revoke_all("7", except_session=self.store(mine)), 3)
        running["b"] = 2
        with self.assertRaises(UpdateError):
            running.save()
        self.assertEqual([one.id for one in sessions_for("7")], [str(self.store(mine).digest)])
        self.assertEqual(revoke_all("7"), 1)
        self.assertEqual((sessions_for("7"), self.count(), len(sessions_for("8"))), ([], 1, 1))

    def test_coroutines_do_the_same(self) -> None:
        mine, other, another = (self.store(self.login()) for _ in range(3))

        async def whole() -> list[Any]:
            done = [await arevoke(str(other.digest), user="8"), await arevoke(str(other.digest), user="7")]
            return [*done, await arevoke_all("7", except_session=mine), await asessions_for("7", mine)]

        *done, found = async_to_sync(whole)()
        self.assertEqual((done, [one.is_current for one in found]), ([False, True, 1], [True]))
        self.assertEqual(self.now(another.session_key), {})

    # -- how many --

    def test_oldest_login_ends_where_there_is_one_too_many(self) -> None:
        self.with_options(max_per_user=MOST)
        keys = [self.login() for _ in range(MOST)]
        self.age(keys[1], 500, created=True)
        self.login("8")
        self.saved(a=1)
        last = self.login()
        alive = [key for key in [*keys, last] if self.store().exists(key)]
        self.assertEqual(alive, [keys[0], last])
        session = self.opened(last)
        session["b"] = 1
        session.save()
        session.cycle_key()
        self.assertEqual((len(sessions_for("7")), self.count()), (MOST, MOST + 2))

    def test_one_too_many_is_refused_and_changes_nothing(self) -> None:
        self.with_options(max_per_user=MOST, on_max="refuse")
        ended, *keys = (self.login() for _ in range(MOST))
        session, new = self.opened(self.saved(cart=1)), self.store()
        session["_auth_user_id"] = new["_auth_user_id"] = "7"
        for save in (session.save, session.cycle_key, new.save):
            with self.assertRaises(SessionLimitReached) as caught:
                save()
            self.assertEqual((caught.exception.limit, caught.exception.retryable), (MOST, False))
        self.assertIsNone(new.session_key)
        self.assertEqual((self.now(session.session_key), self.count()), ({"cart": 1}, MOST + 1))
        self.end(ended)
        session.save()
        new.session_key or revoke(str(self.store(keys[0]).digest))
        new.save()
        self.assertEqual({one.id for one in sessions_for("7")}, {str(session.digest), str(new.digest)})

    def test_logins_at_once_stay_within_the_limit(self) -> None:
        self.skip_unless_shared()
        for on_max in ("end_oldest", "refuse"):
            self.with_options(max_per_user=MOST, on_max=on_max)
            revoke_all("7")
            done = [future.exception(6 * PATIENCE_S) for future in self.logins_at_once()]
            refused = LOGINS - MOST if on_max == "refuse" else 0
            self.assertEqual([type(error) for error in done if error], [SessionLimitReached] * refused)
            self.assertEqual(len(sessions_for("7")), MOST)

    def logins_at_once(self) -> "list[Future[Any]]":
        """Let LOGINS threads log the same user in at the same moment."""
        barrier = Barrier(LOGINS, timeout=PATIENCE_S)

        def enter() -> None:
            session = self.store()
            session.cycle_key()
            session["_auth_user_id"] = "7"
            barrier.wait()
            session.save()

        return [self.aside(enter) for _ in range(LOGINS)]

    # -- from where, and with what --

    def test_nothing_of_the_client_is_recorded_unasked(self) -> None:
        self.visit()
        (found,) = sessions_for("7")
        self.assertEqual((found.ip, found.user_agent), (None, None))

    def test_client_is_recorded_as_it_is_asked_for(self) -> None:
        for asked, address, shown in (
            ("full", "203.0.113.77", "203.0.113.77"),
            ("truncated", "203.0.113.77", "203.0.113.0"),
            ("truncated", "2001:db8:1:2::3", "2001:db8:1::"),
            ("truncated", "::ffff:203.0.113.77", "203.0.113.0"),
            ("full", "fe80::1%eth0", "fe80::1"),
            ("full", "unix:", None),
        ):
            with self.subTest(address, asked=asked):
                self.with_options(record_ip=asked, record_user_agent=True)
                revoke_all("7")
                self.visit(REMOTE_ADDR=address)
                (found,) = sessions_for("7")
                self.assertEqual(found.ip, shown)
                self.assertTrue((found.user_agent or "").startswith("Browser/1 (phone)x"))
                self.assertLessEqual(len(found.user_agent or ""), 200)

    def test_client_is_known_anew_by_login_save_new_key_and_touch(self) -> None:
        self.with_options(record_ip="full", record_user_agent=True, touch_every=0)
        key = self.visit()
        for number, call in enumerate(("save", "cycle_key", "touch"), 1):
            session = self.opened(key)
            session.meta = {"REMOTE_ADDR": f"192.0.2.{number}", "HTTP_USER_AGENT": f"Browser/{number}"}
            self.assertEqual(self.asked(getattr(session, call)), 1)
            (found,) = sessions_for("7")
            self.assertEqual((found.ip, found.user_agent), (f"192.0.2.{number}", f"Browser/{number}"))
            key = session.session_key
        session = self.opened(key)
        session["b"] = 1
        session.save()  # outside of a request, such as by a command
        self.assertEqual(sessions_for("7")[0].ip, "192.0.2.3")

    def visit(self, **meta: str) -> str:
        """Log in from a request; return the key."""
        session = self.store()
        session.meta = {**META, **meta}
        session["_auth_user_id"] = "7"
        session.save()
        return str(session.session_key)
