"""The cookie engine: sizes to the byte, what a cookie may be, how it ends, and what stands on the server beside it."""

import base64
import json
import logging
import zlib
from unittest.mock import patch

from django.contrib.sessions.backends.base import UpdateError
from django.core.signing import Signer
from django.http import HttpResponse
from django.test import SimpleTestCase, TestCase, override_settings
from hypothesis import given, settings, strategies

from django_dist.exceptions import CookieTooLarge
from django_dist.models import StoredSession
from django_dist.sessions import cookie, cookie_form
from django_dist.sessions.cookie import SessionStore
from django_dist.sessions.cookie_size import overhead
from django_dist.signals import session_cookie_refused

SECURITY = "django.security.SuspiciousSession"
AGE = 1_209_600  # SESSION_COOKIE_AGE
OTHER, THIRD = "o" * 50, "t" * 50


def with_options(**options):
    return override_settings(DIST_SESSIONS={"default": {"OPTIONS": options}})


def later(seconds):
    now = cookie_form.now()
    return patch.object(cookie_form, "now", lambda: now + seconds)


def saved(**data):
    """Return the cookie of a session."""
    session = SessionStore()
    session.update(data)
    session.save()
    return str(session.session_key)


def found(value):
    """Return what the next request finds."""
    return dict(SessionStore(value).items())


def line(value):
    """Return the Set-Cookie line as the middleware sends it."""
    response = HttpResponse()
    response.set_cookie(
        "sessionid", value, max_age=AGE, expires="Thu, 01 Jan 1970 00:00:00 GMT", httponly=True, samesite="Lax"
    )
    return response.cookies["sessionid"].output()


def incompressible(length):
    return (
        "".join(chr(33 + (index * 7919 + index**3 % 89) % 90) for index in range(length))
        .replace("\\", "-")
        .replace('"', "-")
    )


class FormTests(SimpleTestCase):
    """What is a session, and what is none."""

    def assert_nothing(self, value, *, told):
        if told:
            with self.assertLogs(SECURITY, "WARNING") as seen:
                self.assertEqual(found(value), {})
            self.assertEqual(len(seen.records), 1)
            self.assertNotIn("secret", seen.output[0])
        else:
            with self.assertNoLogs(SECURITY):
                self.assertEqual(found(value), {})

    def test_session_comes_back_whole(self):
        data = {"a": 1, "b": ["é", {"c": None}], "long": "x" * 5000}
        self.assertEqual(found(saved(**data)), data)

    def test_what_is_no_cookie_of_ours_is_no_session_and_is_not_told(self):
        for value in ("", "x" * 32, "x" * 1_000_000, "ä" * 40, "nul\0" * 9, "........", "\ud800" * 9):
            with self.subTest(value=value[:9]):
                self.assert_nothing(value, told=False)

    def test_tampered_and_truncated_cookies_are_no_session_and_are_told(self):
        for encrypt in (False, True):
            with with_options(encrypt=encrypt):
                value = saved(user="secret", text=incompressible(50))
                for spoilt in (value[:-1], value[1:], value[:20] + ("A" if value[20] != "A" else "B") + value[21:]):
                    with self.subTest(encrypt=encrypt, spoilt=spoilt):
                        self.assert_nothing(spoilt, told=":" in spoilt or spoilt.startswith("e."))

    def test_cookie_of_another_site_name_or_purpose_is_none(self):
        value = saved(user="secret")
        with override_settings(SECRET_KEY=OTHER):
            self.assert_nothing(value, told=True)
        with override_settings(SESSION_COOKIE_NAME="other"):
            self.assert_nothing(value, told=True)
        self.assert_nothing(Signer().sign(value.rpartition(":")[0]), told=True)

    def test_signature_is_that_of_djangos_signing(self):
        value = saved(a=1)
        signer = Signer(salt=f"django_dist.sessions.cookie:{cookie_form.settings.SESSION_COOKIE_NAME}")
        self.assertEqual(signer.sign(signer.unsign(value)), value)

    def test_bomb_is_an_empty_session(self):
        bomb = base64.urlsafe_b64encode(zlib.compress(b"0 0 \n" + b"0" * 2**24)).decode().rstrip("=")
        signer = Signer(key="bomb" * 20, salt=cookie_form._salt(), fallback_keys=[])
        value = signer.sign("." + bomb[:100])
        with override_settings(SECRET_KEY="bomb" * 20):
            self.assertEqual(found(value), {})
            self.assertEqual(found(signer.sign("." + bomb)), {})
        self.assertLess(len(cookie_form._inflated(zlib.compress(b"0" * 2**24))), 1)

    def test_encrypted_cookie_shows_nothing_and_is_read_either_way(self):
        with with_options(encrypt=True):
            value = saved(secret="plaintext")
            self.assertEqual(found(value), {"secret": "plaintext"})
        raw = base64.urlsafe_b64decode(value[2:] + "=" * (-len(value[2:]) % 4))
        for hidden in (b"plaintext", b"secret", zlib.compress(b"plaintext")[2:10]):
            self.assertNotIn(hidden, raw)
        session = SessionStore(value)
        self.assertEqual(session["secret"], "plaintext")
        self.assertTrue(session.modified)  # the next answer brings the form of today

    @settings(max_examples=200, deadline=None)
    @given(
        strategies.dictionaries(
            strategies.text(max_size=20),
            strategies.recursive(
                strategies.none()
                | strategies.booleans()
                | strategies.integers(-(2**53), 2**53)
                | strategies.text(max_size=30),
                lambda inner: (
                    strategies.lists(inner, max_size=4)
                    | strategies.dictionaries(strategies.text(max_size=9), inner, max_size=4)
                ),
                max_leaves=8,
            ),
            max_size=5,
        ),
        strategies.booleans(),
    )
    def test_any_session_comes_back(self, data, encrypt):
        content = cookie_form.Content(cookie_form.now(), 0, "", json.dumps(data).encode())
        read = cookie_form.read(cookie_form.write(content, encrypt=encrypt), encrypt=encrypt)
        self.assertEqual(read, (content, False))

    @settings(max_examples=300, deadline=None)
    @given(strategies.text(max_size=300) | strategies.from_regex(r"\A(e\.)?[A-Za-z0-9_.:=-]{0,200}\Z"))
    def test_any_cookie_loads_or_is_no_session(self, value):
        self.assertEqual(found(value), {})


class LifeTests(SimpleTestCase):
    """How a session ends."""

    def test_session_ends_after_its_age_and_a_touch_puts_that_off(self):
        value = saved(a=1)
        with later(AGE - 1):
            session = SessionStore(value)
            self.assertEqual(session["a"], 1)
            self.assertTrue(session.is_due)
            session.touch()
            put_off = session.session_key
        with later(AGE):
            self.assertEqual(found(value), {})
            self.assertEqual(found(put_off), {"a": 1})

    def test_session_that_was_just_written_is_not_due(self):
        session = SessionStore(saved(a=1))
        self.assertEqual(session["a"], 1)
        self.assertFalse(session.is_due)

    def test_expiry_of_its_own_is_kept_to(self):
        session = SessionStore()
        session["a"] = 1
        session.set_expiry(60)
        session.save()
        with later(59):
            self.assertEqual(SessionStore(session.session_key)["a"], 1)
        with later(60):
            self.assertEqual(found(session.session_key), {})

    def test_absolute_lifetime_is_not_put_off(self):
        with with_options(max_age=1000):
            value = saved(a=1)
            for moment in (600, 999):
                with later(moment):
                    session = SessionStore(value)
                    self.assertEqual(session["a"], 1)
                    session.touch()
                    value = session.session_key
            with later(1000):
                self.assertEqual(found(value), {})

    def test_key_that_is_changed_is_followed_by_the_next_read(self):
        for encrypt in (False, True):
            with with_options(encrypt=encrypt):
                with override_settings(SECRET_KEY=OTHER):
                    value = saved(a=1)
                with override_settings(SECRET_KEY=THIRD, SECRET_KEY_FALLBACKS=[OTHER]):
                    session = SessionStore(value)
                    self.assertEqual((session["a"], session.modified), (1, True))
                    session.save()
                with override_settings(SECRET_KEY=THIRD):
                    self.assertEqual(found(session.session_key), {"a": 1})
                    self.assertFalse(SessionStore(session.session_key).modified)

    def test_rewriting_does_not_lengthen_the_absolute_lifetime(self):
        with with_options(max_age=100):
            with override_settings(SECRET_KEY=OTHER):
                value = saved(a=1)
            with override_settings(SECRET_KEY=THIRD, SECRET_KEY_FALLBACKS=[OTHER]):
                with later(99):
                    session = SessionStore(value)
                    session.load()
                    session.save()
                with later(100):
                    self.assertEqual(found(session.session_key), {})


class SizeTests(SimpleTestCase):
    """The policy fires at the limit and one, to the byte."""

    def passes(self, value):
        with patch.object(cookie_form, "write", lambda *_, **__: value):
            try:
                return bool(saved(a="é"))
            except CookieTooLarge:
                return False

    def test_budget_is_that_of_the_whole_line(self):
        logging.disable(logging.WARNING)
        self.addCleanup(logging.disable, logging.NOTSET)
        for length in range(3200, 3600):
            size = len(line("v" * length))
            self.assertEqual(self.passes("v" * length), size <= 3500, size)

    def test_hard_limit_is_that_of_name_and_value(self):
        logging.disable(logging.WARNING)
        self.addCleanup(logging.disable, logging.NOTSET)
        with with_options(budget_bytes=10_000):
            for length in range(3400, 4200):
                size = len("sessionid") + length
                self.assertEqual(self.passes("v" * length), size <= 4096, size)

    def test_every_length_of_the_value_counts_as_it_is_sent(self):
        for name, domain, path in (("sessionid", None, "/"), ("n" * 100, "a." * 50 + "example.org", "/p" * 90)):
            with override_settings(SESSION_COOKIE_NAME=name, SESSION_COOKIE_DOMAIN=domain, SESSION_COOKIE_PATH=path):
                for age in (None, 1, AGE):
                    response = HttpResponse()
                    response.set_cookie(
                        name,
                        "v" * 300,
                        max_age=age,
                        expires=None if age is None else "Thu, 01 Jan 1970 00:00:00 GMT",
                        domain=domain,
                        path=path,
                        httponly=True,
                        samesite="Lax",
                    )
                    self.assertEqual(overhead(age) + 300, len(response.cookies[name].output()))

    def test_error_says_what_takes_the_room(self):
        session = SessionStore()
        session.update({"big": incompressible(4000), "middle": incompressible(400), "small": "x", "tiny": 1})
        before = session.session_key
        with self.assertRaises(CookieTooLarge) as caught:
            session.save()
        error = caught.exception
        self.assertEqual([key for key, _ in error.largest], ["big", "middle", "small"])
        self.assertEqual(error.limit_bytes, 3500)
        self.assertGreater(error.size_bytes, 4000)
        self.assertIn("'big'", str(error))
        self.assertNotIn(incompressible(20), str(error))
        self.assertEqual(session.session_key, before)

    def test_text_that_is_not_ascii_counts_as_it_is_written(self):
        session = SessionStore()
        session["v"] = "".join(chr(0x4E00 + index * 37 % 20000) for index in range(1200))
        with self.assertRaises(CookieTooLarge):
            session.save()

    def test_warning_comes_at_four_fifths(self):
        with self.assertNoLogs("django_dist.sessions", "WARNING"):
            saved(v=incompressible(1700))
        with self.assertLogs("django_dist.sessions", "WARNING") as seen:
            saved(v=incompressible(2600))
        self.assertIn("of 3500 bytes", seen.output[0])

    def test_refused_cookie_leaves_the_old_one_and_tells(self):
        told = []

        def receiver(error, **_):
            told.append(error)

        session_cookie_refused.connect(receiver)
        self.addCleanup(session_cookie_refused.disconnect, receiver)
        with with_options(on_overflow="refuse"):
            value = saved(a=1)
            session = SessionStore(value)
            session["v"] = incompressible(5000)
            with self.assertLogs("django_dist.sessions", "ERROR"), self.assertRaises(UpdateError):
                session.save()
        self.assertEqual((session.session_key, len(told)), (value, 1))


class ServerTests(TestCase):
    """What stands on the server beside a cookie."""

    def rows(self):
        return StoredSession.objects.count()

    def test_cookie_alone_asks_no_server(self):
        with self.assertNumQueries(0):
            session = SessionStore(saved(a=1))
            session["b"] = 2
            session.save()
            session.cycle_key()
            session.flush()

    @with_options(on_overflow="spill")
    def test_what_is_too_large_spills_and_comes_back_without_a_trace(self):
        session = SessionStore(saved(a=1))
        session["v"] = incompressible(5000)
        session.save()
        key = session.session_key
        self.assertEqual((len(key), self.rows()), (32, 1))
        self.assertEqual(found(key), {"a": 1, "v": incompressible(5000)})
        session = SessionStore(key)
        session["v"] = "short"
        session.save()
        self.assertEqual((self.rows(), found(session.session_key)), (0, {"a": 1, "v": "short"}))
        self.assertEqual(found(key), {})

    @with_options(on_overflow="spill")
    def test_spilled_session_merges_and_ends_with_its_logout(self):
        session = SessionStore()
        session["v"] = incompressible(5000)
        session.save()
        one, other = SessionStore(session.session_key), SessionStore(session.session_key)
        one["a"], other["b"] = 1, 2
        one.save()
        other.save()
        self.assertEqual(set(found(session.session_key)), {"v", "a", "b"})
        SessionStore(session.session_key).flush()
        self.assertEqual((self.rows(), found(session.session_key)), (0, {}))

    @with_options(on_overflow="spill")
    def test_spilled_session_gets_another_key(self):
        session = SessionStore()
        session["v"] = incompressible(5000)
        session.save()
        old = session.session_key
        session = SessionStore(old)
        session.cycle_key()
        self.assertEqual((self.rows(), found(old)), (1, {}))
        self.assertEqual(set(found(session.session_key)), {"v"})

    @with_options(revocation=True)
    def test_logout_ends_every_copy(self):
        value = saved(a=1)
        self.assertEqual(self.rows(), 1)
        self.assertEqual(bytes(StoredSession.objects.get().data)[-2:], b"{}")  # the browser has the data
        running = SessionStore(value)
        running["b"] = 2
        SessionStore(value).flush()
        self.assertEqual((self.rows(), found(value)), (0, {}))
        with self.assertRaises(UpdateError):
            running.save()

    @with_options(revocation=True)
    def test_new_key_ends_copies_of_the_old_cookie(self):
        old = saved(a=1)
        session = SessionStore(old)
        session.cycle_key()
        self.assertEqual((found(old), found(session.session_key), self.rows()), ({}, {"a": 1}, 1))

    @with_options(revocation=True)
    def test_server_knows_whose_session_it_is(self):
        value = saved(a=1)
        session = SessionStore(value)
        session["_auth_user_id"] = "7"
        session.cycle_key()
        self.assertEqual(StoredSession.objects.get().user_id, "7")
        StoredSession.objects.filter(user_id="7").delete()
        self.assertEqual(found(session.session_key), {})

    @with_options(revocation=True)
    def test_read_of_a_revocable_session_is_one_question(self):
        value = saved(a=1)
        with self.assertNumQueries(1):
            found(value)

    @with_options(revocation=True, revocation_ttl=60)
    def test_answer_of_the_server_may_be_kept_for_a_while(self):
        value = saved(a=1)
        found(value)
        with self.assertNumQueries(0):
            self.assertEqual(found(value), {"a": 1})
        SessionStore(value).flush()
        self.assertEqual(found(value), {})  # in this process at once
        cookie.alive.clear()

    @with_options(revocation=True, on_overflow="spill")
    def test_revocable_session_spills_into_its_own_row_and_comes_back(self):
        session = SessionStore(saved(a=1))
        session["v"] = incompressible(5000)
        session.save()
        self.assertEqual((self.rows(), len(session.session_key)), (1, 32))
        session = SessionStore(session.session_key)
        del session["v"]
        session.save()
        self.assertEqual((self.rows(), found(session.session_key)), (1, {"a": 1}))
        self.assertEqual(bytes(StoredSession.objects.get().data)[-2:], b"{}")
        SessionStore(session.session_key).flush()
        self.assertEqual((self.rows(), found(session.session_key)), (0, {}))

    def test_session_from_before_revocation_becomes_revocable_by_its_next_read(self):
        value = saved(a=1)
        with with_options(revocation=True):
            session = SessionStore(value)
            self.assertEqual((session["a"], session.modified), (1, True))
            session.save()
            self.assertEqual(self.rows(), 1)
            SessionStore(session.session_key).flush()
            self.assertEqual(found(session.session_key), {})
