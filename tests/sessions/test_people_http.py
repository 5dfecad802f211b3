"""People over HTTP: a login that is one too many, a user who is deleted, and what a request tells of itself."""

from time import monotonic

from asgiref.sync import async_to_sync
from django.contrib.admin.checks import check_dependencies
from django.contrib.auth import alogin, login
from django.contrib.auth.models import User
from django.db import connections
from django.http import HttpResponse, JsonResponse
from django.test import AsyncClient, Client, TransactionTestCase, override_settings
from django.urls import path

from django_dist.exceptions import SessionLimitReached, SessionStoreUnavailable
from django_dist.sessions import sessions_for
from django_dist.sessions.database import SessionStore
from django_dist.testing.case import DatabaseCase
from services import needs

from .test_middleware import MIDDLEWARE, areading, reading, writing


def entering(request):
    request.session["cart"] = 1
    login(request, User.objects.get(username="alice"))
    return HttpResponse()


async def aentering(request):
    await request.session.aset("cart", 1)
    await alogin(request, await User.objects.aget(username="alice"))
    return HttpResponse()


def catching(request):
    try:
        return entering(request)
    except SessionLimitReached as error:
        return JsonResponse({"limit": error.limit, "user": str(request.user)}, status=429)


async def acatching(request):
    try:
        return await aentering(request)
    except SessionLimitReached as error:
        return JsonResponse({"limit": error.limit, "user": str(await request.auser())}, status=429)


urlpatterns = [
    path("sync/read", reading),
    path("sync/write", writing),
    path("sync/login", entering),
    path("sync/catch", catching),
    path("async/read", areading),
    path("async/login", aentering),
    path("async/catch", acatching),
]


@override_settings(ROOT_URLCONF=__name__, MIDDLEWARE=MIDDLEWARE, SESSION_ENGINE="django_dist.sessions.database")
class People(TransactionTestCase):
    place = "sync"

    def setUp(self):
        self.alice = User.objects.create(username="alice")
        self.browsers = [(Client if self.place == "sync" else AsyncClient)() for _ in range(2)]

    def get(self, browser, what, **headers):
        get = browser.get if self.place == "sync" else async_to_sync(browser.get)
        return get(f"/{self.place}/{what}", headers=headers)

    def options(self, **options):
        settings = override_settings(DIST_SESSIONS={"default": {"OPTIONS": options}})
        settings.enable()
        self.addCleanup(settings.disable)

    def test_login_that_is_one_too_many_is_refused_by_login(self):
        self.options(max_per_user=1, on_max="refuse")
        first, second = self.browsers
        self.assertEqual(self.get(first, "login").status_code, 200)
        refused = self.get(second, "catch")
        self.assertEqual((refused.status_code, refused.json()), (429, {"limit": 1, "user": "AnonymousUser"}))
        self.assertEqual(self.get(second, "read").json(), {"user": "AnonymousUser", "data": {"cart": 1}})
        self.assertEqual(self.get(first, "read").json()["user"], "alice")
        self.assertEqual(self.get(second, "login").status_code, 403)
        self.assertEqual(len(sessions_for(self.alice)), 1)

    def test_login_that_is_one_too_many_ends_the_oldest(self):
        self.options(max_per_user=1)
        first, second = self.browsers
        for browser in self.browsers:
            self.assertEqual(self.get(browser, "login").status_code, 200)
        self.assertEqual(
            [self.get(browser, "read").json()["user"] for browser in (first, second)], ["AnonymousUser", "alice"]
        )

    def test_admin_knows_the_middleware_for_one_of_sessions(self):
        self.assertNotIn("admin.E410", [error.id for error in check_dependencies()])

    def test_request_tells_where_it_comes_from_and_with_what(self):
        self.options(record_ip="truncated", record_user_agent=True)
        self.get(self.browsers[0], "login", user_agent="Browser/1")
        (found,) = sessions_for(self.alice)
        self.assertEqual((found.ip, found.user_agent), ("127.0.0.0", "Browser/1"))

    def test_user_who_is_deleted_meanwhile_is_anonymous(self):
        self.get(self.browsers[0], "login")
        name = self.alice.pk
        self.alice.delete()
        started = monotonic()
        self.assertEqual(self.get(self.browsers[0], "read").json()["user"], "AnonymousUser")
        session = SessionStore()
        session["_auth_user_id"] = str(name)
        session.create()
        self.assertLess(monotonic() - started, 1)
        self.assertEqual(len(sessions_for(name)), 2)


class AsyncPeople(People):
    place = "async"


class Refused(DatabaseCase, TransactionTestCase):
    """A table whose own constraint refuses every row of a user, as a foreign key to one who was deleted would."""

    def setUp(self):
        super().setUp()
        settings = override_settings(DIST_SESSIONS={"default": {"OPTIONS": {"database": self.database}}})
        settings.enable()
        self.addCleanup(settings.disable)
        with connections[self.database].cursor() as cursor:
            for statement in self.refuse:
                cursor.execute(statement)
        self.addCleanup(self.allow_again)

    refuse = (
        "CREATE TRIGGER gone BEFORE INSERT ON django_dist_session BEGIN SELECT RAISE(ABORT, 'no such user'); END",
    )
    allow = "DROP TRIGGER gone"

    def allow_again(self):
        with connections[self.database].cursor() as cursor:
            cursor.execute(self.allow)

    def test_create_ends_with_a_clear_error(self):
        session = SessionStore()
        session["_auth_user_id"] = "404"
        started = monotonic()
        with self.assertRaises(SessionStoreUnavailable):
            session.create()
        self.assertLess(monotonic() - started, 1)
        self.assertIsNone(session.session_key)


@needs("postgres")
class RefusedByPostgreSQL(Refused):
    database = "postgres"
    refuse = ("ALTER TABLE django_dist_session ADD CONSTRAINT gone CHECK (user_id <> '404')",)
    allow = "ALTER TABLE django_dist_session DROP CONSTRAINT gone"


@needs("mysql")
class RefusedByMariaDB(RefusedByPostgreSQL):
    database = "mysql"
