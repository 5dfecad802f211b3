"""Engine and middleware under Django's own tests of sessions."""

from types import SimpleNamespace
from unittest import mock

import pytest
from django.test import override_settings

from django_dist.models import StoredSession
from django_dist.sessions import SessionMiddleware, database

from .upstream import session_tests

try:
    upstream = session_tests()
except OSError as error:
    pytest.skip(str(error), allow_module_level=True)

ENGINE = "django_dist.sessions.database"
#: Rows are stored under a hash: these ask for one by the key itself, or give a row data of their own.
BY_RAW_KEY = ["test_session_str", "test_sessionmanager_save"]


class ByKey:
    """Django's model as its tests use it, over our table."""

    objects = SimpleNamespace(get=lambda session_key: StoredSession.objects.for_key(session_key).get())


class DatabaseTests(upstream.DatabaseSessionTests):
    backend = database.SessionStore
    session_engine = ENGINE

    def test_session_get_decoded(self):
        with mock.patch.object(database.SessionStore, "get_model_class", return_value=ByKey):
            super().test_session_get_decoded()


for name in BY_RAW_KEY:
    setattr(DatabaseTests, name, None)


@override_settings(USE_TZ=True)
class DatabaseTimeZoneTests(DatabaseTests):
    pass


@override_settings(SESSION_ENGINE=ENGINE)
class DjangosMiddlewareTests(upstream.SessionMiddlewareTests):
    """The engine under Django's middleware."""

    def test_empty_session_saved(self):
        with mock.patch.object(upstream, "Session", ByKey):
            super().test_empty_session_saved()


class OwnMiddlewareTests(DjangosMiddlewareTests):
    """Engine and middleware of ours."""

    def setUp(self):
        super().setUp()
        ours = mock.patch.object(upstream, "SessionMiddleware", SessionMiddleware)
        ours.start()
        self.addCleanup(ours.stop)

    # Ours lets the view's answer stand where Django's ends the request as SessionInterrupted.
    test_session_update_error_redirect = None
