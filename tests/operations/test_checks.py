"""System checks: each is brought about by settings or views as a site would have them, and asks no database."""

import inspect
import os
import sys
import uuid
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from unittest import mock

from django.contrib import admin
from django.contrib.auth.views import LoginView
from django.core.checks import run_checks
from django.db import connections, transaction
from django.http import HttpResponse
from django.test import SimpleTestCase, modify_settings, override_settings
from django.urls import include, path
from django.views import View

from django_dist import checks
from django_dist.checks.middleware import MIDDLEWARE
from django_dist.idempotency import calls, idempotency_exempt, idempotent
from django_dist.idempotency.base import RequestBackend
from django_dist.idempotency.calls import SOURCES
from django_dist.idempotency.policy import CHOICES, PolicySource
from services import needs

OWN = MIDDLEWARE
AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"


def view(request):
    return HttpResponse()


class OwnLogin(LoginView):
    pass


@idempotency_exempt
class ExemptLogin(LoginView):
    pass


urlpatterns = [path("", view)]


class LoginUrls:
    urlpatterns = [
        path("", view),
        path("admin/", admin.site.urls),
        path("accounts/", include([path("login", OwnLogin.as_view()), path("exempt", ExemptLogin.as_view())])),
        path("marked", idempotency_exempt(LoginView.as_view())),
    ]


class Elsewhere:
    """A router that writes some models elsewhere, and keeps our table from a database."""

    def __init__(self, database, labels=(), kept_from=None):
        self.database, self.labels, self.kept_from = database, labels, kept_from

    def db_for_write(self, model, **hints):
        return self.database if not self.labels or model._meta.label in self.labels else None

    def allow_migrate(self, db, app_label, **hints):
        return False if (db, app_label) == (self.kept_from, "django_dist") else None


class Leased(RequestBackend):
    """A store of the other mode, in one process."""

    modes = frozenset({"lease"})
    per_process = True

    def attempt(self):
        raise NotImplementedError


class ChecksCase(SimpleTestCase):
    """A sound site with one decorated view; SimpleTestCase refuses every query."""

    def setUp(self):
        self.swap(override_settings(ROOT_URLCONF=__name__))
        before = list(SOURCES)
        SOURCES.clear()
        self.addCleanup(SOURCES.extend, before)
        self.addCleanup(SOURCES.clear)
        self.decorate()

    def swap(self, *contexts):
        for context in contexts:
            context.__enter__()
            self.addCleanup(context.__exit__, None, None, None)

    def decorate(self, **policy):
        SOURCES.append(PolicySource("@idempotent of shop.order", policy))

    def found(self, **kwargs):
        return run_checks(tags=["django_dist"], **kwargs)

    def assert_found(self, *expected, **kwargs):
        found = self.found(**kwargs)
        # Django keeps checks in a set: what they say comes in any order.
        ids = sorted(message.id for message in found)
        self.assertEqual(ids, sorted(f"django_dist.{short}" for short in expected), found)
        for message in found:
            self.assertTrue(message.hint)
        return found


class PolicyTests(ChecksCase):
    def test_sound_site_has_no_findings(self):
        self.assert_found()

    def test_wrong_settings_are_told_with_their_place(self):
        place = "DIST_IDEMPOTENCY['default']"
        for setting, words in (
            ({"default": {"BACKEND": "nowhere.Backend"}}, f"{place}: BACKEND 'nowhere.Backend' cannot be imported"),
            ({"default": {"OPTIONS": {"databse": "x"}}}, f"{place}: unknown OPTIONS ['databse']"),
            ({"default": {"OPTIONS": {"database": "x"}}}, f"{place}: database 'x' is not one of"),
            ({"default": {"OPTION": {}}}, f"{place}: unknown entries ['OPTION']"),
            ({"default": {"POLICY": {"tll": 5}}}, f"{place}['POLICY']: unknown policy keywords ['tll']"),
            ({"default": {"POLICY": {"ttl": 0}}}, "ttl=0 is not a number of at least 1"),
            ({"default": {"POLICY": {"mode": "fast"}}}, "mode='fast' is not one of"),
            ({"default": {"POLICY": {"scope": "no.such.function"}}}, "no"),
            ({"default": {"POLICY": {"methods": 5}}}, "not iterable"),
            ({"default": {"POLICY": {"using": "other"}}}, "has no alias 'other'"),
            ({"default": {}, "other": {"POLICY": {"wait": -1}}}, "wait=-1"),
            ("redis", "must be a dict of aliases"),
        ):
            with self.subTest(setting=setting), override_settings(DIST_IDEMPOTENCY=setting):
                found = self.found()
                self.assertTrue(found)
                self.assertEqual({message.id for message in found}, {"django_dist.E001"})
                self.assertIn(words, found[0].msg)

    def test_wrong_keyword_of_a_view_is_told_once_with_the_view(self):
        self.decorate(key_format="guid")
        (found,) = self.assert_found("E001")
        self.assertTrue(found.msg.startswith("@idempotent of shop.order: key_format='guid' is not one of"), found.msg)

    def test_mode_that_the_store_does_not_have(self):
        with override_settings(DIST_IDEMPOTENCY={"default": {"BACKEND": f"{__name__}.Leased"}}):
            for found in self.assert_found("E001", "E001"):  # the site's policy, and the view's
                self.assertIn("mode='atomic', and its store has only ['lease']", found.msg)

    def test_error_that_names_no_place_is_told_with_it(self):
        with override_settings(DIST_IDEMPOTENCY={"default": {"POLICY": {"methods": 5}}}):
            self.assertTrue(self.found()[0].msg.startswith("DIST_IDEMPOTENCY['default']['POLICY']: 'int'"))

    def test_safe_methods_may_be_guarded_where_no_key_is_required(self):
        self.decorate(methods=["POST", "GET"])
        self.assert_found()

    def test_required_key_on_safe_methods(self):
        self.decorate(required=True, methods=["POST", "GET", "HEAD"])
        (found,) = self.assert_found("W002")
        self.assertIn("GET, HEAD", found.msg)


class MiddlewareTests(ChecksCase):
    def missing(self):
        return modify_settings(MIDDLEWARE={"remove": OWN})

    def test_missing_with_a_decorated_view(self):
        with self.missing():
            self.assert_found("E002")

    def test_missing_with_all_views_or_the_setting(self):
        SOURCES.clear()
        with self.missing():
            self.assert_found()
            with override_settings(DIST_IDEMPOTENCY={"default": {"POLICY": {"all_views": True}}}):
                self.assert_found("E002")
            with override_settings(DIST_IDEMPOTENCY={}):
                self.assert_found("E002")

    def test_twice(self):
        with override_settings(MIDDLEWARE=[AUTHENTICATION, OWN, OWN]):
            self.assert_found("E003")

    def test_before_authentication(self):
        with override_settings(MIDDLEWARE=[OWN, AUTHENTICATION]):
            self.assert_found("E004")

    def test_not_last(self):
        after = "django.middleware.gzip.GZipMiddleware"
        with override_settings(MIDDLEWARE=[AUTHENTICATION, OWN, after]):
            (found,) = self.assert_found("W001")
        self.assertIn(after, found.msg)

    def test_unknown_and_function_middleware_are_left_to_django(self):
        with override_settings(MIDDLEWARE=["no.such", f"{__name__}.view", OWN]):
            self.assert_found()


class DatabaseTests(ChecksCase):
    def test_deferred_sqlite(self):
        with mock.patch.dict(connections.settings["default"]["OPTIONS"], transaction_mode="DEFERRED"):
            self.assert_found("W003")
        with mock.patch.dict(connections.settings["default"]["OPTIONS"], transaction_mode="exclusive"):
            self.assert_found()

    def test_autocommit_off(self):
        with mock.patch.dict(connections.settings["default"], AUTOCOMMIT=False):
            self.assert_found("E007")

    @needs("mysql")
    def test_empty_texts_kept_as_null(self):
        stores = {"default": {"OPTIONS": {"database": "mysql"}}}
        options = mock.patch.dict(connections.settings["mysql"]["OPTIONS"], sql_mode="ansi,empty_string_is_null")
        with override_settings(DIST_IDEMPOTENCY=stores, DATABASE_ROUTERS=[Elsewhere("mysql")]), options:
            self.assert_found("E009")

    @needs("postgres")
    def test_all_models_written_elsewhere(self):
        with override_settings(DATABASE_ROUTERS=[Elsewhere("postgres")]):
            (found,) = self.assert_found("E005")
        self.assertIn("['postgres']", found.hint)

    @needs("postgres")
    def test_some_models_written_elsewhere(self):
        with override_settings(DATABASE_ROUTERS=[Elsewhere("postgres", ["auth.User"])]):
            (found,) = self.assert_found("W006")
        self.assertIn("1 models are written to another database than the records (auth.User)", found.msg)

    @needs("postgres")
    def test_models_beside_the_records_of_any_store_in_use_are_fine(self):
        self.decorate(using="second")
        stores = {"default": {}, "second": {"OPTIONS": {"database": "postgres"}}}
        router = Elsewhere("postgres", ["auth.User"])
        with override_settings(DATABASE_ROUTERS=[router], DIST_IDEMPOTENCY=stores):
            self.assert_found()

    def test_router_that_keeps_the_table_away(self):
        with override_settings(DATABASE_ROUTERS=[Elsewhere("default", kept_from="default")]):
            self.assert_found("E006")

    def test_many_processes_share_a_file(self):
        with mock.patch.dict(os.environ, WEB_CONCURRENCY="4"):
            self.assert_found()

    def test_nothing_is_asked_of_databases_that_guard_nothing(self):
        SOURCES.clear()
        with mock.patch.dict(connections.settings["default"], AUTOCOMMIT=False):
            self.assert_found()


class ProcessTests(ChecksCase):
    def setUp(self):
        super().setUp()
        stores = {"default": {"BACKEND": f"{__name__}.Leased", "POLICY": {"mode": "lease"}}}
        self.swap(mock.patch.dict(CHOICES, mode=frozenset({"atomic", "lease"})))
        self.swap(override_settings(DIST_IDEMPOTENCY=stores))

    def test_several_processes_with_records_of_their_own(self):
        for processes, expected in (("", ()), ("1", ()), ("4", ("W004",))):
            with mock.patch.dict(os.environ, WEB_CONCURRENCY=processes):
                self.assert_found(*expected)

    def test_deployment_is_taken_for_several(self):
        for processes in ("1", "4"):
            with mock.patch.dict(os.environ, WEB_CONCURRENCY=processes):
                self.assert_found("W004", "I001", include_deployment_checks=True)

    def test_leased_records_inside_atomic_requests(self):
        with mock.patch.dict(connections.settings["default"], ATOMIC_REQUESTS=True):
            (found,) = self.assert_found("E008")
        self.assertIn("@idempotent of shop.order", found.hint)


class AtomicRequestsTests(ChecksCase):
    def leased_at(self, view):
        """Let ``view`` be the one in the URLconf, on a site with ATOMIC_REQUESTS."""
        name = f"{__name__}_leased_{uuid.uuid4().hex}"
        # Not by patch.dict(), which would take away again what a framework imports meanwhile.
        sys.modules[name] = mock.Mock(urlpatterns=[path("", view)])
        self.addCleanup(sys.modules.pop, name)
        self.swap(
            override_settings(ROOT_URLCONF=name),
            mock.patch.dict(connections.settings["default"], ATOMIC_REQUESTS=True),
        )

    def views(self):
        """Yield one view a kind, each guarded in mode lease, and the only one that is decorated."""
        self.swap(mock.patch.dict(calls._known))
        kinds = (self.function, self.whole_class, self.method, self.partial_within, self.partial_around)
        for make in (*kinds, self.rest, self.ninja):
            calls._known.clear()
            SOURCES.clear()
            yield make(idempotent(mode="lease"))

    def function(self, guard):
        return guard(lambda request: HttpResponse())

    def whole_class(self, guard):
        return guard(type("Whole", (View,), {"post": view})).as_view()

    def method(self, guard):
        return type("Method", (View,), {"post": guard(lambda self, request: HttpResponse())}).as_view()

    def partial_within(self, guard):
        return guard(partial(view))

    def partial_around(self, guard):
        return partial(guard(lambda request: HttpResponse()))

    def rest(self, guard):
        if find_spec("rest_framework") is None:
            return self.function(guard)
        from rest_framework.decorators import api_view

        return api_view(["POST"])(guard(lambda request: HttpResponse()))

    def ninja(self, guard):
        if find_spec("ninja") is None:
            return self.function(guard)
        from ninja import NinjaAPI

        def operation(request):
            return {}

        api = NinjaAPI(urls_namespace=uuid.uuid4().hex)
        api.post("/order")(guard(operation))
        return next(pattern.callback for pattern in api.urls[0] if "order" in str(pattern.pattern))

    def test_lease_at_a_view_that_is_not_marked_is_told(self):
        for view in self.views():
            self.leased_at(view)
            self.assert_found("E008")

    def markable(self):
        """Yield the views that Django can mark: of Ninja 1.4 a view is a method, which takes no mark."""
        for view in self.views():
            if not inspect.ismethod(view):
                yield view

    def test_lease_at_a_view_that_is_marked_as_the_hint_says_is_sound(self):
        for view in self.markable():
            self.leased_at(transaction.non_atomic_requests(view))
            self.assert_found()

    def test_lease_at_a_view_that_is_marked_for_another_database_is_told(self):
        for view in self.markable():
            self.leased_at(transaction.non_atomic_requests(using="other")(view))
            self.assert_found("E008")

    def test_atomic_mode_goes_with_atomic_requests(self):
        with mock.patch.dict(connections.settings["default"], ATOMIC_REQUESTS=True):
            self.assert_found()


class LoginTests(ChecksCase):
    def setUp(self):
        super().setUp()
        self.swap(override_settings(ROOT_URLCONF=f"{__name__}_logins"))

    def run(self, result=None):
        with mock.patch.dict("sys.modules", {f"{__name__}_logins": LoginUrls}):
            return super().run(result)

    def test_djangos_logins_are_told_unless_exempt(self):
        with override_settings(DIST_IDEMPOTENCY={"default": {"POLICY": {"all_views": True}}}):
            found = self.assert_found("W005", "W005")
        self.assertIn("'admin/login/'", found[0].msg)
        self.assertIn("'accounts/login'", found[1].msg)

    def test_login_of_the_admin_can_be_exempt(self):
        function = admin.AdminSite.login
        idempotency_exempt(function)
        self.addCleanup(delattr, function, "idempotency_exempt")
        with override_settings(DIST_IDEMPOTENCY={"default": {"POLICY": {"all_views": True}}}):
            self.assert_found("W005")

    def test_logins_are_of_no_concern_without_all_views(self):
        self.assert_found()


class DocumentationTests(SimpleTestCase):
    def test_every_id_is_in_the_table_and_used(self):
        table = checks.__doc__ or ""
        code = "".join(path.read_text() for path in Path(checks.__file__).parent.glob("*.py"))
        listed = {line.split()[0] for line in table.splitlines() if line[:1] in "EWI" and line[1:4].isdecimal()}
        self.assertEqual(listed, {part[:4] for part in code.split('"django_dist.')[1:] if part[1:4].isdecimal()})
