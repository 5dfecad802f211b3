"""Views that do to a session what they are asked; two that name one ``meet`` stand until both are there."""

import asyncio
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import HttpRequest, JsonResponse

PATIENCE_S = 20.0


def _met(request: HttpRequest) -> bool:
    """Return whether all are there; this one is, from now on."""
    name, number = request.GET["meet"], int(request.GET.get("of", 2))
    here = Path(settings.SCRATCH)
    (here / f"meet-{name}-{request.GET['me']}").touch()
    return len(list(here.glob(f"meet-{name}-*"))) >= number


def stand(request: HttpRequest) -> None:
    """Wait for the others."""
    deadline = time.monotonic() + PATIENCE_S
    while "meet" in request.GET and not _met(request) and time.monotonic() < deadline:
        time.sleep(0.002)


async def astand(request: HttpRequest) -> None:
    """See stand()."""
    await asyncio.to_thread(stand, request)


def visit(request: HttpRequest, what: str) -> JsonResponse:
    """Look into the session, wait for the others, and do ``what``."""
    session: Any = request.session
    found = dict(session.items())
    stand(request)
    if what == "login":
        session["user"] = "alice"
        session.cycle_key()
    elif what == "logout":
        session.flush()
    elif what == "set":
        session[request.GET["key"]] = 1
    elif what == "add":
        session.increment("n")
    return JsonResponse(found)


async def avisit(request: HttpRequest, what: str) -> JsonResponse:
    """See visit()."""
    session: Any = request.session
    found = dict(await session.aitems())
    await astand(request)
    if what == "login":
        await session.aset("user", "alice")
        await session.acycle_key()
    elif what == "logout":
        await session.aflush()
    elif what == "set":
        await session.aset(request.GET["key"], 1)
    elif what == "add":
        await session.aincrement("n")
    return JsonResponse(found)


PATHS: dict[str, Any] = {"visit/<what>": visit, "avisit/<what>": avisit}


class ReplicaReads:
    """Reads go to the replica, where there is one."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        """See Django."""
        return "replica"

    def db_for_write(self, model: Any, **hints: Any) -> str:
        """See Django."""
        return "default"
