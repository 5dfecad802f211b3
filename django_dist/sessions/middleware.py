"""Django's SessionMiddleware, async throughout, for which a store that fails is no empty session."""

import json
import logging
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.contrib.sessions import middleware as djangos
from django.contrib.sessions.backends.base import SessionBase, UpdateError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.http import http_date

from ..exceptions import PROBLEM, SessionStoreUnavailable
from .store import DistSession

log: Final = logging.getLogger("django_dist.sessions")
RETRY_AFTER_S: Final = 1


class SessionMiddleware(djangos.SessionMiddleware):  # by its class the admin knows it
    """In the place of Django's, under any engine; with one of ours it also puts off the end of what is only read.

    Where the store does not answer the request is answered 503 with Retry-After, or as the option
    ``on_unavailable`` says; the browser's cookie stays as it is. A session that was ended elsewhere while the view
    ran is not saved, and the view's answer stands.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response: Any = get_response
        self.store: Callable[[str | None], Any] = import_module(settings.SESSION_ENGINE).SessionStore
        self._asynchronous = iscoroutinefunction(get_response)
        if self._asynchronous:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """Answer ``request`` with its session at hand; a coroutine under ASGI."""
        self.process_request(request)
        if self._asynchronous:
            return self._acall(request)
        return self.process_response(request, self.get_response(request))

    def process_request(self, request: HttpRequest) -> None:
        """Give ``request`` its session; no store is asked."""
        request.session = self.store(request.COOKIES.get(settings.SESSION_COOKIE_NAME))
        if isinstance(request.session, DistSession):
            request.session.meta = request.META  # looked into only where something is stored

    def process_response(  # type: ignore[override]  # a response of any kind
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        """Save what was changed, and return ``response`` with the cookie."""
        try:
            if (call := _due(request, response)) is not None:
                getattr(request.session, call)()
        except UpdateError:
            return _without(response)
        except SessionStoreUnavailable as error:
            return _refusal(request, error)
        return _sent(request, response, saved=call is not None)

    async def _acall(self, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = await self.get_response(request)
        try:
            if (call := _due(request, response)) is not None:
                await getattr(request.session, f"a{call}")()
        except UpdateError:
            return _without(response)
        except SessionStoreUnavailable as error:
            return _refusal(request, error)
        return _sent(request, response, saved=call is not None)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponseBase | None:
        """Answer 503 where the view needed a session and the store did not answer."""
        return _refusal(request, error) if isinstance(error, SessionStoreUnavailable) else None


def _due(request: HttpRequest, response: HttpResponseBase) -> str | None:
    """Return what is to be called of the session now: "save", "touch", or nothing."""
    session = getattr(request, "session", None)
    if session is None or session.is_empty() or response.status_code >= 500 or getattr(session, "unavailable", None):
        return None
    if session.modified or settings.SESSION_SAVE_EVERY_REQUEST:
        return "save"
    return "touch" if session.accessed and getattr(session, "is_due", False) else None


def _sent(request: HttpRequest, response: HttpResponseBase, *, saved: bool) -> HttpResponseBase:
    """Give the browser its cookie, or take away that of a session which is not there."""
    session: SessionBase | None = getattr(request, "session", None)
    if session is None:
        return response
    if getattr(session, "unavailable", None) is not None:
        return _refused_within(request, response)
    gone = settings.SESSION_COOKIE_NAME in request.COOKIES and session.is_empty()
    if gone:
        response.delete_cookie(
            settings.SESSION_COOKIE_NAME,
            path=settings.SESSION_COOKIE_PATH,
            domain=settings.SESSION_COOKIE_DOMAIN,
            samesite=settings.SESSION_COOKIE_SAMESITE,
        )
    elif saved:
        age = None if session.get_expire_at_browser_close() else session.get_expiry_age()
        response.set_cookie(
            settings.SESSION_COOKIE_NAME,
            session.session_key or "",
            max_age=age,
            expires=None if age is None else http_date(time.time() + age),
            domain=settings.SESSION_COOKIE_DOMAIN,
            path=settings.SESSION_COOKIE_PATH,
            secure=bool(settings.SESSION_COOKIE_SECURE),
            httponly=bool(settings.SESSION_COOKIE_HTTPONLY),
            samesite=settings.SESSION_COOKIE_SAMESITE,
        )
    if gone or saved or session.accessed:
        patch_vary_headers(response, ("Cookie",))
    return response


def _without(response: HttpResponseBase) -> HttpResponseBase:
    """Send what the view has answered. The cookie stays: the browser may have been given another one meanwhile."""
    log.info("a session was ended elsewhere while its request ran; what the request changed of it is not kept")
    patch_vary_headers(response, ("Cookie",))
    return response


def _refused_within(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Answer 503 also where another middleware has made a 500 of the store's failure."""
    error: SessionStoreUnavailable = request.session.unavailable  # type: ignore[attr-defined]
    return _refusal(request, error) if response.status_code == 500 else response


def _refusal(request: HttpRequest, error: SessionStoreUnavailable) -> HttpResponse:
    log.error("%s refused with 503: %s", request.path, error)
    members = {
        "type": f"{PROBLEM}session-store-unavailable",
        "title": "Session store unavailable",
        "status": 503,
        "detail": "The store of sessions did not answer; repeat the request.",
    }
    response = HttpResponse(json.dumps(members), status=503, content_type="application/problem+json")
    response["Retry-After"] = str(RETRY_AFTER_S)
    response["Cache-Control"] = "no-store"
    return response
