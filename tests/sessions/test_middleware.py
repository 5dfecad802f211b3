"""The middleware over HTTP, sync and async: what a browser gets, and what it keeps where a store fails."""

import asyncio
import threading

from asgiref.sync import async_to_sync
from django.contrib.auth import alogin, alogout, login, logout
from django.contrib.auth.models import User
from django.http import HttpResponse, JsonResponse
from django.test import AsyncClient, Client, TransactionTestCase, override_settings
from django.urls import path

from django_dist.models import StoredSession
from django_dist.sessions.database import SessionStore
from django_dist.testing.case import PATIENCE_S, DatabaseCase
from django_dist.testing.faults import unreachable
from services import needs

GATES = {}


def plain(request):
    return HttpResponse("hello")


def reading(request):
    return JsonResponse({"user": str(request.user), "data": dict(request.session.items())})


async def areading(request):
    user = await request.auser()
    return JsonResponse({"user": str(user), "data": dict(await request.session.aitems())})


def writing(request):
    request.session[request.GET["key"]] = 1
    wait_at(request)
    return HttpResponse(status=int(request.GET.get("status", 200)))


async def awriting(request):
    await request.session.aset(request.GET["key"], 1)
    await asyncio.to_thread(wait_at, request)
    return HttpResponse(status=int(request.GET.get("status", 200)))


def wait_at(request):
    if gate := GATES.get(request.GET["key"]):
        reached, go = gate
        reached.set()
        go.wait(PATIENCE_S)


def entering(request):
    login(request, User.objects.get(username="alice"))
    return HttpResponse()


async def aentering(request):
    await alogin(request, await User.objects.aget(username="alice"))
    return HttpResponse()


def leaving(request):
    logout(request)
    return HttpResponse()


async def aleaving(request):
    await alogout(request)
    return HttpResponse()


urlpatterns = [
    path("sync/plain", plain),
    path("sync/read", reading),
    path("sync/write", writing),
    path("sync/login", entering),
    path("sync/logout", leaving),
    path("async/plain", plain),
    path("async/read", areading),
    path("async/write", awriting),
    path("async/login", aentering),
    path("async/logout", aleaving),
]
MIDDLEWARE = [
    "django_dist.sessions.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
]


def reads_in_middleware(get_response):
    """A middleware of the site's own, inside of ours, that looks into every session."""

    def middleware(request):
        request.session.get("language")
        return get_response(request)

    return middleware


class Behaviour(DatabaseCase):
    place = "sync"
    options = {}

    def setUp(self):
        super().setUp()
        self.alice = User.objects.create(username="alice")
        self.with_settings(ROOT_URLCONF=__name__, MIDDLEWARE=MIDDLEWARE, SESSION_ENGINE="django_dist.sessions.database")
        self.with_options()
        self.browser = Client(raise_request_exception=False)

    def with_settings(self, **values):
        settings = override_settings(**values)
        settings.enable()
        self.addCleanup(settings.disable)

    def with_options(self, **options):
        self.with_settings(DIST_SESSIONS={"default": {"OPTIONS": {"database": self.database, **options}}})

    def empty(self):
        super().empty()
        GATES.clear()
        StoredSession.objects.using(self.database).all().delete()

    def down(self):
        """Return a context in which the store does not answer."""
        return unreachable(self.database)

    def count(self):
        return StoredSession.objects.using(self.database).count()

    def lose(self):
        """Let the store have nothing any more."""
        StoredSession.objects.using(self.database).all().delete()

    def get(self, what, browser=None, **query):
        browser = browser or self.browser
        if self.place == "sync":
            return browser.get(f"/sync/{what}", query)
        asynchronous = AsyncClient(raise_request_exception=False)
        asynchronous.cookies = browser.cookies
        return async_to_sync(asynchronous.get)(f"/async/{what}", query)

    def twin(self):
        """Another tab of the same browser."""
        other = Client(raise_request_exception=False)
        other.cookies.load({name: morsel.value for name, morsel in self.browser.cookies.items()})
        return other

    def stand(self, **query):
        """Send a write, and return when its view stands, with what lets it go on."""
        gate = GATES[query["key"]] = threading.Event(), threading.Event()
        self.addCleanup(gate[1].set)
        sent = self.aside(self.get, "write", self.twin(), **query)
        self.assertTrue(gate[0].wait(PATIENCE_S))
        return sent, gate[1]

    def test_session_is_kept_from_request_to_request(self):
        self.get("login")
        self.get("write", key="a")
        found = self.get("read").json()
        self.assertEqual((found["user"], found["data"]["a"]), ("alice", 1))

    def test_request_that_does_not_look_gets_no_cookie(self):
        for _ in range(3):
            response = self.get("plain")
        self.assertEqual((dict(response.cookies), response.has_header("Vary")), ({}, False))
        self.get("read")
        self.assertEqual(self.count(), 0)

    def test_overlapping_requests_lose_nothing(self):
        self.get("write", key="before")
        sent, go = self.stand(key="slow")
        self.get("write", key="fast")
        go.set()
        self.assertEqual(sent.result(PATIENCE_S).status_code, 200)
        self.assertEqual(self.get("read").json()["data"], {"before": 1, "slow": 1, "fast": 1})

    def test_logout_wins_and_the_running_view_s_answer_stands(self):
        self.get("login")
        tab = self.twin()
        sent, go = self.stand(key="slow")
        self.get("logout")
        go.set()
        late = sent.result(PATIENCE_S)
        self.assertEqual((late.status_code, dict(late.cookies)), (200, {}))
        self.assertEqual(self.get("read", tab).json(), {"user": "AnonymousUser", "data": {}})
        self.assertEqual(self.count(), 0)

    def test_server_error_saves_nothing(self):
        self.get("write", key="a")
        self.get("write", key="b", status=500)
        self.assertEqual(self.get("read").json()["data"], {"a": 1})

    def test_cookie_of_a_session_that_is_gone_is_taken_away(self):
        self.get("write", key="a")
        self.lose()
        cookie = self.get("read").cookies["sessionid"]
        self.assertEqual((cookie.value, cookie["max-age"]), ("", 0))

    def test_cookie_lasts_as_long_as_the_session_that_is_only_read(self):
        self.with_options(touch_every=0)
        self.get("write", key="a")
        cookie = self.get("read").cookies["sessionid"]
        self.assertEqual(cookie["max-age"], 14 * 86400)
        self.with_options(touch_every=1000)
        self.assertEqual(dict(self.get("read").cookies), {})

    def test_store_that_does_not_answer_is_503_and_the_cookie_stays(self):
        self.get("login")
        with self.down():
            for what in ("read", "write", "logout"):
                response = self.get(what, key="b")
                self.assertEqual((response.status_code, dict(response.cookies)), (503, {}), what)
                self.assertEqual(response["Retry-After"], "1")
                self.assertEqual(response["Content-Type"], "application/problem+json")
            self.assertEqual(self.get("plain").status_code, 200)
        self.assertEqual(self.get("read").json()["user"], "alice")

    def test_store_that_does_not_answer_a_middleware_is_503(self):
        self.with_settings(MIDDLEWARE=[MIDDLEWARE[0], f"{__name__}.reads_in_middleware"])
        self.get("write", key="a")
        with self.down():
            self.assertEqual(self.get("plain").status_code, 503)

    def test_store_that_does_not_answer_lets_anonymous_be_served_by_choice(self):
        self.with_options(on_unavailable="anonymous")
        self.get("login")
        with self.down():
            for what in ("read", "write"):
                response = self.get(what, key="b")
                self.assertEqual((response.status_code, dict(response.cookies)), (200, {}), what)
            if self.database != "default":  # there the users are gone, too
                self.assertEqual(self.get("login", Client(raise_request_exception=False)).status_code, 503)
        found = self.get("read").json()
        self.assertEqual((found["user"], "b" in found["data"]), ("alice", False))


class SyncTests(Behaviour, TransactionTestCase):
    pass


class AsyncTests(Behaviour, TransactionTestCase):
    place = "async"


@needs("postgres")
class PostgreSQLTests(Behaviour, TransactionTestCase):
    database = "postgres"


@needs("mysql")
class MariaDBTests(Behaviour, TransactionTestCase):
    database = "mysql"


@needs("postgres")
class ReplicaTests(DatabaseCase, TransactionTestCase):
    """A replica that lags for ever: the other database has the table, and none of its rows."""

    database = "postgres"

    def setUp(self):
        super().setUp()
        options = {"default": {"OPTIONS": {"replica_reads": True}}}
        routers = override_settings(DATABASE_ROUTERS=[f"{__name__}.Router"], DIST_SESSIONS=options)
        routers.enable()
        self.addCleanup(routers.disable)

    def test_miss_asks_the_primary_and_a_logout_goes_there(self):
        session = SessionStore()
        session["a"] = 1
        session.save()
        self.assertEqual(SessionStore(session.session_key)["a"], 1)
        SessionStore(session.session_key).flush()
        self.assertFalse(StoredSession.objects.using("postgres").exists())

    def test_stale_copy_does_not_undo_what_was_saved(self):
        session = SessionStore()
        session["a"] = 1
        session.save()
        row = StoredSession.objects.using("postgres").get()
        row.save(using="default", force_insert=True)
        self.addCleanup(StoredSession.objects.using("default").all().delete)
        newer = SessionStore(session.session_key)
        newer["b"] = 2
        newer.save()
        stale = SessionStore(session.session_key)
        self.assertNotIn("b", stale)
        stale["c"] = 3
        stale.save()
        self.assertEqual(dict(stale.items()), {"a": 1, "b": 2, "c": 3})

    def test_replica_is_asked_by_choice_alone(self):
        session = SessionStore()
        session.save()
        StoredSession.objects.using("postgres").get().save(using="default", force_insert=True)
        self.addCleanup(StoredSession.objects.using("default").all().delete)
        SessionStore(session.session_key).flush()
        self.assertIsNotNone(SessionStore.place.read(session.digest))
        with override_settings(DIST_SESSIONS={"default": {"OPTIONS": {}}}):
            self.assertIsNone(SessionStore.place.read(session.digest))

    def test_replica_that_does_not_answer_is_not_missed(self):
        session = SessionStore()
        session["a"] = 1
        session.save()
        with unreachable("default"):
            self.assertEqual(SessionStore(session.session_key)["a"], 1)


class Router:
    def db_for_read(self, model, **hints):
        return "default"

    def db_for_write(self, model, **hints):
        return "postgres" if model is StoredSession else None
