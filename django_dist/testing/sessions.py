"""Conformance of session engines: what overlaps, what ends, what is at rest, and how often the store is asked."""

import zlib

from django.conf import settings
from django.contrib.sessions.backends.base import UpdateError
from django.test import override_settings

from ..exceptions import SessionConflict
from ..sessions import sealing
from .case import PATIENCE_S
from .session_people import PeopleConformance

THREADS, ADDITIONS = 8, 25


class SessionConformance(PeopleConformance):
    """Mixed into TransactionTestCase: ``engine`` over ``database``."""

    # -- overlapping requests --

    def test_overlapping_requests_that_set_different_keys_lose_none(self) -> None:
        key = self.saved(old=1)
        one, other = self.opened(key), self.opened(key)
        one["a"], other["b"] = 1, 2
        one.save()
        other.save()
        self.assertEqual(self.now(key), {"old": 1, "a": 1, "b": 2})
        self.assertEqual(dict(other.items()), {"old": 1, "a": 1, "b": 2})

    def test_deleted_key_stays_deleted_and_an_untouched_one_stays(self) -> None:
        for first, second in ((0, 1), (1, 0)):
            key = self.saved(a=1, b=2)
            both = self.opened(key), self.opened(key)
            del both[0]["a"]
            both[1]["c"] = 3
            both[first].save()
            both[second].save()
            self.assertEqual(self.now(key), {"b": 2, "c": 3})

    def test_last_writer_of_a_key_wins(self) -> None:
        key = self.saved(a=1)
        one, other = self.opened(key), self.opened(key)
        one["a"], other["a"] = 2, 3
        one.save()
        other.save()
        self.assertEqual(self.now(key), {"a": 3})

    def test_strict_session_raises_and_saves_nothing(self) -> None:
        self.with_options(on_conflict="raise")
        key = self.saved(a=1, same=1, gone=1)
        one, other = self.opened(key), self.opened(key)
        one["a"], other["a"], other["b"] = 2, 3, 4
        one["same"] = other["same"] = 5
        del one["gone"], other["gone"]
        one.save()
        with self.assertRaises(SessionConflict) as caught:
            other.save()
        self.assertEqual((caught.exception.keys, caught.exception.retryable), (["a"], True))
        self.assertEqual(self.now(key), {"a": 2, "same": 5})

    def test_numbers_that_are_added_to_add_up(self) -> None:
        key = self.saved(n=1, text="x")
        one, other = self.opened(key), self.opened(key)
        self.assertEqual((one.increment("n"), one.increment("n", 2), other.increment("n", 10)), (2, 4, 11))
        self.assertEqual(other.increment("new", 0.5), 0.5)
        one.save()
        other.save()
        self.assertEqual(self.now(key), {"n": 14, "text": "x", "new": 0.5})
        with self.assertRaisesRegex(TypeError, "text.*str"):
            one.increment("text")

    def test_number_that_is_set_besides_is_set(self) -> None:
        key = self.saved(n=1)
        one, other = self.opened(key), self.opened(key)
        one.increment("n")
        one["n"] = 100
        one.increment("n")
        other.increment("n", 5)
        other.save()
        one.save()
        self.assertEqual(self.now(key), {"n": 101})

    def test_additions_by_many_at_once_are_all_there(self) -> None:
        self.skip_unless_shared()
        key = self.saved(n=0)

        def add() -> None:
            for _ in range(ADDITIONS):
                session = self.store(key)
                session.increment("n")
                session.save()

        for future in [self.aside(add) for _ in range(THREADS)]:
            future.result(6 * PATIENCE_S)
        self.assertEqual(self.now(key), {"n": THREADS * ADDITIONS})

    def test_change_inside_of_a_list_or_dict_is_noticed(self) -> None:
        key = self.saved(basket=[{"item": 1}], flag=1)
        session = self.opened(key)
        self.assertFalse(session.modified)
        session["basket"][0]["item"] = 2
        self.assertTrue(session.modified)
        session.save()
        self.assertFalse(self.opened(key).modified)
        self.assertEqual(self.now(key)["basket"], [{"item": 2}])

    def test_true_is_not_taken_for_one(self) -> None:
        key = self.saved(flag=1)
        session, other = self.opened(key), self.opened(key)
        session["flag"] = True
        other["b"] = 1
        other.save()
        session.save()
        self.assertIs(self.now(key)["flag"], True)

    def test_cleared_session_is_empty_whatever_was_stored(self) -> None:
        key = self.saved(a=1)
        session = self.store(key)
        session.clear()
        session["b"] = 2
        session.save()
        self.assertEqual(self.now(key), {"b": 2})

    # -- the end --

    def test_logout_wins_over_a_request_that_runs(self) -> None:
        for end in ("flush", "cycle_key"):
            with self.subTest(end):
                key = self.saved(a=1, _auth_user_id="7")
                running = self.opened(key)
                getattr(self.store(key), end)()
                running["b"] = 2
                with self.assertRaises(UpdateError):
                    running.save()
                self.assertEqual((self.now(key), self.store().exists(key)), ({}, False))

    def test_new_key_after_a_logout_elsewhere_is_no_login(self) -> None:
        key = self.saved(a=1, _auth_user_id="7")
        running = self.opened(key)
        self.store(key).flush()
        running.cycle_key()
        self.assertEqual((running.session_key, dict(running.items()), self.count()), (None, {}, 0))

    def test_login_after_a_logout_elsewhere_is_a_session_of_its_own(self) -> None:
        key = self.saved(cart=1)
        running = self.opened(key)
        self.store(key).flush()
        running["_auth_user_id"] = "7"
        running.cycle_key()
        self.assertEqual(self.now(running.session_key), {"cart": 1, "_auth_user_id": "7"})

    def test_new_key_takes_along_what_others_have_saved(self) -> None:
        key = self.saved(a=1)
        session, other = self.opened(key), self.opened(key)
        other["b"] = 2
        other.save()
        session["c"] = 3
        session.cycle_key()
        self.assertNotEqual(session.session_key, key)
        self.assertEqual(self.now(session.session_key), {"a": 1, "b": 2, "c": 3})
        self.assertFalse(self.store().exists(key))
        session["d"] = 4
        session.save()
        self.assertEqual(self.now(session.session_key)["d"], 4)

    # -- how long --

    def test_session_ends_by_the_clock_of_the_store(self) -> None:
        key = self.saved(a=1)
        self.assertEqual(self.now(key), {"a": 1})
        self.end(key)
        session = self.opened(key)
        self.assertIsNone(session.session_key)
        self.assertEqual(self.now(key), {})

    def test_end_is_put_off_once_in_touch_every_seconds(self) -> None:
        self.with_options(touch_every=100)
        key = self.saved(a=1)
        self.assertFalse(self.opened(key).is_due)
        self.age(key, 101)
        session = self.opened(key)
        session.set_expiry(1000)  # not saved
        self.assertTrue(session.is_due)
        session.touch()
        self.assertFalse(session.is_due)
        self.assertFalse(self.opened(key).is_due)
        self.assertAlmostEqual(self.left(key), 1000, delta=60)
        self.assertEqual(self.now(key), {"a": 1})

    def test_touch_brings_nothing_back(self) -> None:
        key = self.saved(a=1)
        session = self.opened(key)
        self.store(key).flush()
        session.touch()
        self.assertFalse(self.store().exists(key))

    def test_absolute_lifetime_ends_a_busy_session(self) -> None:
        self.with_options(max_age=1000)
        key = self.saved(a=1, _auth_user_id="7")
        self.assertAlmostEqual(self.left(key), 1000, delta=60)
        self.age(key, 900, created=True)
        session = self.opened(key)
        session["b"] = 1
        session.save()
        self.assertAlmostEqual(self.left(key), 100, delta=60)
        session.cycle_key()
        key = session.session_key
        self.age(key, 101, created=True)
        self.assertEqual(self.now(key), {})

    def test_login_begins_an_absolute_lifetime(self) -> None:
        self.with_options(max_age=1000)
        key = self.saved(cart=1)
        self.age(key, 900, created=True)
        session = self.opened(key)
        session["_auth_user_id"] = "7"
        session.cycle_key()
        self.age(session.session_key, 900, created=True)
        self.assertEqual(self.now(session.session_key)["cart"], 1)

    # -- at rest --

    def test_stored_key_is_no_cookie(self) -> None:
        key = self.saved(a="plain")
        digest = self.store(key).digest
        self.assertNotIn(digest.bytes, key.encode())
        self.assertNotIn(key.encode(), self.data_of(key))
        self.assertEqual(self.now(digest.hex), {})

    def test_data_of_another_session_is_refused_and_told(self) -> None:
        key, admin = self.saved(a=1), self.saved(_auth_user_id="1")
        self.plant(key, self.data_of(admin))
        self.assert_refused(key)

    def test_what_was_not_stored_here_is_refused_and_told(self) -> None:
        for data in (b"", b"\x80\x04K\x01.", b'{"a": 1}', bytes(100), bytes(range(256))):
            with self.subTest(data):
                key = self.saved(a=1)
                self.plant(key, data)
                self.assert_refused(key)

    def assert_refused(self, key: str) -> None:
        """The session is empty, and the security log says so once, without the data."""
        with self.assertLogs("django.security.SuspiciousSession", "WARNING") as told:
            session = self.opened(key)
        self.assertEqual((len(told.records), dict(session.items()), session.session_key), (1, {}, None))

    def test_rotated_secret_key_reads_and_the_next_write_is_under_the_new_one(self) -> None:
        with override_settings(SECRET_KEY="old" * 20):
            key = self.saved(a=1)
        with override_settings(SECRET_KEY_FALLBACKS=["old" * 20]):
            session = self.opened(key)
            session["b"] = 2
            session.save()
        self.assertEqual(self.now(key), {"a": 1, "b": 2})

    def test_encrypted_data_shows_nothing_and_moves_to_no_other_session(self) -> None:
        self.with_options(encrypt=True)
        key, other = self.saved(a="plain text"), self.saved(b=1)
        self.assertNotIn(b"plain", self.data_of(key))
        self.assertEqual(self.now(key), {"a": "plain text"})
        self.plant(other, self.data_of(key))
        self.assert_refused(other)

    def test_encrypted_and_plain_data_are_read_whatever_the_option_says(self) -> None:
        for before in (True, False):
            self.with_options(encrypt=before)
            with override_settings(SECRET_KEY="old" * 20):
                key = self.saved(a="plain text")
            self.with_options(encrypt=not before)
            with override_settings(SECRET_KEY_FALLBACKS=["old" * 20]):
                session = self.opened(key)
                session["b"] = 2
                session.save()
            self.assertEqual(self.now(key), {"a": "plain text", "b": 2})
            self.assertIs(b"plain" in self.data_of(key), before)

    def test_data_that_stands_for_too_much_is_refused_and_told(self) -> None:
        for packed in (zlib.compress(b"0" * 2**25), b"broken"):
            key = self.saved(a=1)
            body = b"z" + packed
            self.plant(key, sealing._mac(self.store(key).digest, body, settings.SECRET_KEY) + body)
            self.assert_refused(key)

    def test_long_data_is_compressed(self) -> None:
        key = self.saved(a="long " * 1000)
        self.assertLess(len(self.data_of(key)), 500)
        self.assertEqual(self.now(key), {"a": "long " * 1000})

    # -- how often the store is asked --

    def test_store_is_asked_as_seldom_as_can_be(self) -> None:
        key = self.saved(a=1)
        session = self.store(key)
        self.assertEqual(self.asked(lambda: session.is_empty()), 0)
        self.assertEqual(self.asked(lambda: session["a"]), 1)
        session["b"] = 1
        self.assertEqual(self.asked(session.save), 1)
        session["b"] = 2
        self.assertEqual(self.asked(session.save), 1)
        self.assertEqual(self.asked(session.cycle_key), 1)
        self.assertEqual(self.asked(lambda: self.saved(a=1)), 1)
        self.assertEqual(self.asked(session.flush), 1)

    def test_key_of_another_form_asks_no_store(self) -> None:
        for key in ("", "short", "a" * 31, "A" * 32, "a" * 33, "\0" * 32, "x" * 1_000_000, "é" * 32):
            with self.subTest(key[:40]):
                session = self.store(key)
                self.assertEqual(self.asked(lambda session=session: session.get("a")), 0)
                self.assertIsNone(session.session_key)
