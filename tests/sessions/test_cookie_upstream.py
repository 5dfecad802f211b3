"""The cookie engine under Django's own tests of sessions, with and without sessions that can be revoked."""

import pytest
from django.test import TestCase, override_settings

from django_dist.sessions import cookie

from .upstream import session_tests

try:
    upstream = session_tests()
except OSError as error:
    pytest.skip(str(error), allow_module_level=True)

MIXIN = upstream.SessionTestsMixin


class CookieTests(upstream.CookieSessionTests):
    """Django's profile of cookies, and the test of expiry that its own engine fails."""

    backend = cookie.SessionStore
    test_actual_expiry = MIXIN.test_actual_expiry
    test_actual_expiry_async = MIXIN.test_actual_expiry_async


@override_settings(DIST_SESSIONS={"default": {"OPTIONS": {"revocation": True}}})
class RevocableTests(MIXIN, TestCase):
    """The generic profile, whole: what Django leaves out for cookies holds as well."""

    backend = cookie.SessionStore


@override_settings(SESSION_ENGINE="django_dist.sessions.cookie")
class MiddlewareTests(upstream.SessionMiddlewareTests):
    """The engine under Django's middleware."""

    test_session_update_error_redirect = None  # about a row that is gone
    test_empty_session_saved = None  # looks into the table
