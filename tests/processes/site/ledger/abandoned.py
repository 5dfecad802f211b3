"""A payment in three steps that is left half-way; the bank is outside of the database and knows a repeated key.

Die: the point at which the process kills itself. Deaths: how many processes do. Wait: the point at
which the first process to come there stands until the test lets it go on.
"""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.http import HttpRequest, JsonResponse

from django_dist.idempotency import idempotent

from .models import Effect
from .notes import first, note

STEPS = ("charge", "ship", "mail")
LEASE_S = 2.0
POLICY = {"mode": "lease", "lease": LEASE_S, "wait": 0, "completes": True, "keep_request": "encrypted"}


def point(request: HttpRequest, here: str) -> None:
    """Die or stand here, if the request says so."""
    order = request.headers["Order"]
    if request.headers.get("Die") == here:
        for number in range(int(request.headers.get("Deaths", "1"))):
            if first(f"died-{number}", order):
                os.kill(os.getpid(), signal.SIGKILL)
    if request.headers.get("Wait") == here and first("stood", order):
        note("stands", order)
        while not Path(settings.SCRATCH, f"go-{order}").exists():
            time.sleep(0.005)


def bank(key: str, request: HttpRequest, name: str) -> dict[str, str]:
    """Do what ``name`` says, once a key."""
    order = request.headers["Order"]
    note(f"called-{name}", order)
    point(request, f"in-{name}")
    if first(f"key-{key}", order):
        note(f"took-{name}", order)
    point(request, f"took-{name}")
    return {"done": name}


def paying(on_unknown: str) -> Callable[[HttpRequest], Any]:
    """Return a view whose steps are decided by ``on_unknown``."""

    @idempotent(**POLICY, keep_headers=["Order", "Die", "Deaths", "Wait"])
    def pay(request: HttpRequest) -> JsonResponse:
        own = request.idempotency  # type: ignore[attr-defined]
        note("ran", request.headers["Order"])
        done = []
        for name in STEPS:
            point(request, f"before-{name}")
            done.append(own.step(name, bank, request, name, on_unknown=on_unknown)["done"])
            point(request, f"after-{name}")
        with own.finishing():
            Effect.objects.create(order=request.headers["Order"], run=uuid4().hex)
            point(request, "finishing")
        return JsonResponse({"done": done}, status=201)

    return pay


PATHS = {f"pay/{on_unknown}": paying(on_unknown) for on_unknown in ("rerun", "hold")}
