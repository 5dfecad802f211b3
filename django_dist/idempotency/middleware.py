"""The middleware that ends what @idempotent begins: it stands innermost, sees the answer, records and commits."""

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar, Final

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.core.signals import got_request_exception
from django.http import HttpRequest, HttpResponseBase
from django.urls import get_resolver

from .body import keep_copy
from .calls import headers_in_use, open_guard, user_of
from .guard import Guard
from .handlers import class_of, hook_handlers
from .keys import header_value
from .marks import EXEMPT, GUARDED, is_marked, name_of
from .own import RESUMED, Idempotency
from .policy import SAFE, UNSAFE, PolicySource, all_views
from .registry import requests
from .replay import abody_of, discard

#: What guards the views that nobody decorated, where the site says ``all_views``: every unsafe request.
SITE: Final = PolicySource("DIST_IDEMPOTENCY['default']['POLICY']", {}, {"methods": sorted(UNSAFE)})


class IdempotencyMiddleware:
    """Make requests under a key take effect once; the last of MIDDLEWARE.

    A transaction that @idempotent opened is committed here, when the answer is rendered, and
    rolled back as soon as an exception leaves the view.
    """

    sync_capable: ClassVar[bool] = True
    async_capable: ClassVar[bool] = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self._urls_loaded = False
        self._async = iscoroutinefunction(get_response)
        if self._async:
            markcoroutinefunction(self)
        self.process_view = self._aprocess_view if self._async else self._process_view

    def __call__(self, request: HttpRequest) -> Any:
        """Return the answer of the view, or of its first run; a coroutine under ASGI."""
        own = request.idempotency = Idempotency()  # type: ignore[attr-defined]
        if (resumed := getattr(request, RESUMED, None)) is not None:
            own.resume(resumed)
        own.carries_key = request.method not in SAFE and self._carries_key(request)
        if own.carries_key:
            keep_copy(request)
        if self._async:
            return self._acall(request, own)
        try:
            return _leave(own, self.get_response(request))
        finally:
            _abandon(own)

    async def _acall(self, request: HttpRequest, own: Idempotency) -> HttpResponseBase:
        ended = False
        try:
            response: HttpResponseBase = await self.get_response(request)
            if own.guard is not None or own.enclosed:
                response = await _aread(own.guard, response)
                response = await sync_to_async(_leave, thread_sensitive=True)(own, response)
            own.guard, ended = None, True
            return response
        finally:
            if not ended and (own.carries_key or own.guard is not None or own.enclosed):
                # Django cancels us when the client is gone, while the view's thread runs on: this
                # waits its turn on that thread. Shielded, since a second cancel must not stop it.
                await asyncio.shield(asyncio.ensure_future(sync_to_async(_abandon, thread_sensitive=True)(own)))

    def _carries_key(self, request: HttpRequest) -> bool:
        if not self._urls_loaded:
            get_resolver().url_patterns  # noqa: B018  (loads the views; their decorators tell which headers they read)
            self._urls_loaded = True
        return header_value(request, headers_in_use()) is not None

    def _process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponseBase | None:
        """Open what must stand around ATOMIC_REQUESTS, and guard a view that nobody decorated."""
        own: Idempotency = request.idempotency  # type: ignore[attr-defined]
        if not own.carries_key:
            return None
        for alias in requests.aliases():
            backend = requests[alias]
            shared = next((attempt for attempt in own.enclosed.values() if backend.shares(attempt)), None)
            if shared is not None:
                own.enclosed[alias] = shared
            elif backend.encloses(view):
                own.enclosed[alias] = backend.attempt()
                own.enclosed[alias].enclose(view)
        guard = self._undecorated(request, view, own)
        return None if guard is None else guard.enter(user_of(request))

    async def _aprocess_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponseBase | None:
        if not request.idempotency.carries_key:  # type: ignore[attr-defined]
            return None
        return await sync_to_async(self._process_view, thread_sensitive=True)(request, view, args, kwargs)

    def _undecorated(self, request: HttpRequest, view: Any, own: Idempotency) -> Guard | None:
        """Return a guard for ``view`` if ``all_views`` is on and the view has no inside to be guarded at."""
        if not all_views() or is_marked(view, GUARDED) or is_marked(view, EXEMPT):
            return None
        behind = class_of(view)
        if behind is not None and (hasattr(behind, GUARDED) or hasattr(behind, EXEMPT)):
            return None
        if hook_handlers(view):
            own.pending = SITE
            return None
        return open_guard(request, SITE, name_of(view))

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        """Roll back before any other middleware writes about ``exception``; answer it where it is of ours."""
        own: Idempotency = request.idempotency  # type: ignore[attr-defined]
        own.failed = True
        if own.guard is not None and not own.guard.failed:
            return own.guard.fail(exception)
        return None


def _leave(own: Idempotency, response: HttpResponseBase) -> HttpResponseBase:
    if own.guard is not None:
        response = own.guard.leave(response)
    for attempt in own.enclosed.values():
        if own.failed:
            attempt.abandon()
        else:
            attempt.leave()
    return response


def _abandon(own: Idempotency) -> None:
    if own.guard is not None:
        own.guard.abandon()
        own.guard = None  # it holds the request that holds it: memory would wait for the collector
    for attempt in own.enclosed.values():
        attempt.abandon()


async def _aread(guard: Guard | None, response: Any) -> HttpResponseBase:
    """Read a stream that only the event loop can read, before its answer is recorded on a thread."""
    if guard is None or not response.streaming or not response.is_async or not guard.wants(response):
        return response  # type: ignore[no-any-return]
    try:
        guard.body = await abody_of(response, guard.policy.max_response_bytes)
    except BaseException as error:
        discard(response)
        instead = await sync_to_async(guard.lost, thread_sensitive=True)(error)
        if instead is None:
            raise
        return instead
    guard.body_read = True
    return response  # type: ignore[no-any-return]


def _note_failure(sender: Any, request: HttpRequest | None = None, **_: Any) -> None:
    """Note an error that left the view's surroundings, where process_exception() does not see it."""
    own: Idempotency | None = getattr(request, "idempotency", None)
    if own is not None:
        own.failed = True
        if own.guard is not None:
            own.guard.failed = True


got_request_exception.connect(_note_failure)
