"""Views that take an order; the request's headers say what goes wrong on the way.

Order: the order's id. Pause: seconds in the view. Fail: "first" raises in the first run.
Die: the point at which the process kills itself; see watch.py.
"""

import asyncio
import os
import time
from collections.abc import Callable
from functools import partial, wraps
from typing import Any
from uuid import uuid4

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import engines
from django.template.response import SimpleTemplateResponse

from django_dist.idempotency import idempotent

from .lag import measured
from .models import Effect
from .notes import first, note
from .watch import die


class Told(Exception):
    """The request asked for it."""


def take_order(request: HttpRequest) -> str:
    """Write the effect and return the id of this run."""
    order, run = request.headers["Order"], uuid4().hex
    note("ran", order)
    Effect.objects.create(order=order, run=run)
    connection.ledger_watch.request = request  # type: ignore[attr-defined]
    transaction.on_commit(partial(die, request, "committed"))
    die(request, "view")
    return run


def answer(request: HttpRequest, run: str) -> HttpResponse:
    """Return an answer that is rendered after the view."""
    order = request.headers["Order"]
    if request.headers.get("Fail") == "first" and first("failed", order):
        raise Told(order)
    template = engines["django"].from_string('{"order": "{{ order }}", "run": "{{ run }}"}')
    response = SimpleTemplateResponse(template, {"order": order, "run": run}, "application/json", 201)  # type: ignore[arg-type]
    response.add_post_render_callback(lambda _: die(request, "render"))
    return response


def pause(request: HttpRequest) -> float:
    """Return how many seconds the view is to take."""
    return float(request.headers.get("Pause", "0"))


def sync_order(request: HttpRequest) -> HttpResponse:
    """Take an order on a thread."""
    run = take_order(request)
    time.sleep(pause(request))
    return answer(request, run)


async def async_order(request: HttpRequest) -> HttpResponse:
    """Take an order on the event loop, its statements on a thread."""
    run = await sync_to_async(take_order)(request)
    await asyncio.sleep(pause(request))
    return answer(request, run)


def mortal(view: Callable[..., Any]) -> Callable[..., Any]:
    """Stand around the guard: die before anything is claimed."""
    if iscoroutinefunction(view):

        @wraps(view)
        async def acall(request: HttpRequest) -> Any:
            die(request, "claim")
            return await view(request)

        return acall

    @wraps(view)
    def call(request: HttpRequest) -> Any:
        die(request, "claim")
        return view(request)

    return call


POLICIES: dict[str, dict[str, Any] | None] = {
    "usual": {},
    "patient": {"wait": 10},
    "hasty": {"wait": 0},
    "brief": {"ttl": 1, "wait": 1},
    "bare": None,
}
VIEWS: dict[str, Callable[..., Any]] = {
    f"{kind}/{name}": mortal(view if policy is None else idempotent(**policy)(view))
    for kind, view in (("sync", sync_order), ("async", async_order))
    for name, policy in POLICIES.items()
}


def who(request: HttpRequest) -> JsonResponse:
    """Return the process that answers."""
    return JsonResponse({"pid": os.getpid()})


async def lag(request: HttpRequest) -> JsonResponse:
    """Return what was measured of the event loop since the last call, and begin anew."""
    return JsonResponse(measured())
