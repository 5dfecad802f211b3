"""The cookie engine over HTTP, sync and async: what the browser gets where a session does not fit, and later."""

import pytest
from asgiref.sync import async_to_sync
from django.http import HttpResponse, JsonResponse
from django.test import AsyncClient, Client, override_settings
from django.urls import path

from django_dist.sessions import cookie_form

from .test_cookie import AGE, incompressible, later, with_options

OWN = "django_dist.sessions.SessionMiddleware"
LARGE = incompressible(4000)


def read(request):
    return JsonResponse(dict(request.session.items()))


async def aread(request):
    return JsonResponse(dict(await request.session.aitems()))


def write(request):
    request.session["v"] = LARGE if request.GET["size"] == "large" else 1
    return HttpResponse("done")


async def awrite(request):
    await request.session.aset("v", LARGE if request.GET["size"] == "large" else 1)
    return HttpResponse("done")


def leave(request):
    request.session.flush()
    return HttpResponse()


async def aleave(request):
    await request.session.aflush()
    return HttpResponse()


urlpatterns = [
    path("sync/read", read),
    path("sync/write", write),
    path("sync/leave", leave),
    path("async/read", aread),
    path("async/write", awrite),
    path("async/leave", aleave),
]


@pytest.fixture(params=["sync", "async"])
def get(request):
    """Send a request as one browser does."""
    place, browser = request.param, Client(raise_request_exception=False)

    def send(what, **query):
        if place == "sync":
            return browser.get(f"/sync/{what}", query)
        asynchronous = AsyncClient(raise_request_exception=False)
        asynchronous.cookies = browser.cookies
        return async_to_sync(asynchronous.get)(f"/async/{what}", query)

    send.browser = browser
    with override_settings(
        ROOT_URLCONF=__name__, MIDDLEWARE=[OWN], SESSION_ENGINE="django_dist.sessions.cookie", DIST_SESSIONS={}
    ):
        yield send


def test_session_is_kept_and_asks_no_store(get):
    assert get("read").cookies == {}
    get("write", size="small")
    assert get("read").json() == {"v": 1}
    gone = get("leave").cookies["sessionid"]
    assert (gone.value, gone["max-age"], get("read").json()) == ("", 0, {})


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_session_that_does_not_fit_is_an_error_and_the_cookie_stays(get):
    get("write", size="small")
    answer = get("write", size="large")
    assert (answer.status_code, dict(answer.cookies)) == (500, {})
    assert get("read").json() == {"v": 1}


def test_session_that_does_not_fit_may_be_refused_and_the_answer_sent(get):
    with with_options(on_overflow="refuse"):
        get("write", size="small")
        answer = get("write", size="large")
        assert (answer.content, dict(answer.cookies)) == (b"done", {})
        assert get("read").json() == {"v": 1}


@pytest.mark.django_db(transaction=True)
def test_session_that_does_not_fit_may_go_to_the_server(get):
    with with_options(on_overflow="spill"):
        answer = get("write", size="large")
        assert len(answer.cookies["sessionid"].value) == 32
        assert get("read").json() == {"v": LARGE}
        get("write", size="small")
        assert get("read").json() == {"v": 1}


@pytest.mark.django_db(transaction=True)
def test_copy_of_a_cookie_ends_with_the_logout(get):
    with with_options(revocation=True):
        get("write", size="small")
        copy = get.browser.cookies["sessionid"].value
        get("leave")
        get.browser.cookies["sessionid"] = copy
        answer = get("read")
        assert (answer.json(), answer.cookies["sessionid"]["max-age"]) == ({}, 0)


def test_cookie_that_is_only_read_is_put_off_once_in_a_while(get):
    get("write", size="small")
    assert dict(get("read").cookies) == {}
    with later(301):
        put_off = get("read").cookies["sessionid"]
        assert put_off["max-age"] == AGE
        assert dict(get("read").cookies) == {}
        assert cookie_form.read(put_off.value, encrypt=False).content.written_at == cookie_form.now()


def test_read_brings_the_cookie_under_the_present_key(get):
    with override_settings(SECRET_KEY="o" * 50):
        get("write", size="small")
    with override_settings(SECRET_KEY="t" * 50, SECRET_KEY_FALLBACKS=["o" * 50]):
        assert "sessionid" in get("read").cookies
    with override_settings(SECRET_KEY="t" * 50):
        assert get("read").json() == {"v": 1}
