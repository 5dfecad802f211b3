"""A payment in three steps whose claim, steps and answer stand in no database.

Each try leaves a row in autocommit, under its own name; of all tries one writes the order, by a claim in the
transaction of its row. The headers are those of abandoned.py.
"""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from django.db import transaction
from django.http import HttpRequest, JsonResponse

from django_dist.dedupe import claim
from django_dist.idempotency import idempotent

from .abandoned import STEPS, bank, point
from .leased import POLICY, ask
from .models import Effect
from .notes import note


def paying(on_unknown: Any, **policy: Any) -> Callable[[HttpRequest], Any]:
    """Return a view of three steps."""

    @idempotent(**POLICY, **policy)
    def pay(request: HttpRequest) -> JsonResponse:
        own = request.idempotency  # type: ignore[attr-defined]
        order, run = request.headers["Order"], uuid4().hex
        note("ran", order)
        Effect.objects.create(order=run, run=order)
        for name in STEPS:
            point(request, f"before-{name}")
            own.step(name, bank, request, name, on_unknown=on_unknown)
            point(request, f"after-{name}")
        with transaction.atomic():
            if claim("orders", str(own.derive("order"))):
                Effect.objects.create(order=order, run=run)
        point(request, "written")
        return JsonResponse({"order": order, "run": run}, status=201)

    return pay


PATHS = {
    "outside/rerun": paying("rerun", wait=10),
    "outside/hold": paying("hold", wait=10),
    "outside/ask": paying(ask, wait=10),
    "outside/hasty": paying("rerun", wait=0),
}
