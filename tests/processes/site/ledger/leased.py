"""Views in mode lease that no dist_complete drives: a payment in three steps, and one that takes long.

The headers are those of abandoned.py; Pause is seconds in the long view.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.http import HttpRequest, JsonResponse

from django_dist import signals
from django_dist.idempotency import RERUN, idempotent

from .abandoned import STEPS, bank, point
from .models import Effect
from .notes import note

LEASE_S = 1.0
POLICY: dict[str, Any] = {"mode": "lease", "lease": LEASE_S}


def ask(key: str, request: HttpRequest, name: str) -> Any:
    """Ask the bank what became of the call under ``key``."""
    order = request.headers["Order"]
    note(f"asked-{name}", order)
    return {"done": name} if Path(settings.SCRATCH, f"key-{key}-{order}").exists() else RERUN


def paying(on_unknown: Any, **policy: Any) -> Callable[[HttpRequest], Any]:
    """Return a view of three steps; the order is written with its answer."""

    @idempotent(**POLICY, **policy)
    def pay(request: HttpRequest) -> JsonResponse:
        own = request.idempotency  # type: ignore[attr-defined]
        order, run = request.headers["Order"], uuid4().hex
        note("ran", order)
        for name in STEPS:
            point(request, f"before-{name}")
            own.step(name, bank, request, name, on_unknown=on_unknown)
            point(request, f"after-{name}")
        with own.finishing():
            Effect.objects.create(order=order, run=run)
            point(request, "finishing")
        return JsonResponse({"order": order, "run": run}, status=201)

    return pay


@idempotent(**POLICY, wait=0)
def long(request: HttpRequest) -> JsonResponse:
    """Take longer than the lease; write in autocommit."""
    order = request.headers["Order"]
    note("ran", order)
    Effect.objects.create(order=order, run=uuid4().hex)
    time.sleep(float(request.headers.get("Pause", "0")))
    return JsonResponse({"order": order}, status=201)


def threads(request: HttpRequest) -> JsonResponse:
    """Return the names of this process's threads."""
    return JsonResponse({"names": [thread.name for thread in threading.enumerate()]})


def claimed(request: HttpRequest, **_: Any) -> None:
    """Die between the commit of the claim and the view, if the request says so."""
    if request.headers.get("Die") == "claimed":
        point(request, "claimed")


signals.request_claimed.connect(claimed)
PATHS = {
    "lease/rerun": paying("rerun", wait=10),
    "lease/hold": paying("hold", wait=10),
    "lease/ask": paying(ask, wait=10),
    "lease/hasty": paying("rerun", wait=0),
    "lease/hung": paying("rerun", wait=10, max_run=0.5),
    "lease/long": long,
}
