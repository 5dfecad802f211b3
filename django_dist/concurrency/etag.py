"""ETag and If-Match: the version that the client has seen is the one that the UPDATE checks (RFC 9110, section 13)."""

import functools
import inspect
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from asgiref.sync import iscoroutinefunction
from django.db import connections, models
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from ..exceptions import PROBLEM, PreconditionFailed, PreconditionRequired, StaleVersion
from .field import version_field

REFUSED: Final = (StaleVersion, PreconditionFailed, PreconditionRequired)
CHANGED: Final = "The resource was changed meanwhile: read it again and repeat the change"
Response = TypeVar("Response", bound=HttpResponseBase)
#: One entity tag, weak or strong. Source: RFC 9110, section 8.8.3.
TAG: Final = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
LIST: Final = re.compile(rf"[\s,]*{TAG.pattern}(?:[ \t]*,[\s,]*{TAG.pattern})*[\s,]*")


def etag(instance: models.Model) -> str:
    """Return the strong entity tag of ``instance``: its version."""
    field = version_field(type(instance))
    if field is None:
        raise TypeError(f"{type(instance)._meta.label} has no version; derive it from VersionedModel")
    return f'"{getattr(instance, field.attname)}"'


def with_etag(response: Response, instance: models.Model) -> Response:
    """Return ``response`` with the entity tag of ``instance`` as it is now."""
    response["ETag"] = etag(instance)
    return response


def check_match(request: HttpRequest, instance: models.Model, *, required: bool = True) -> None:
    """Compare If-Match with ``instance``, which was just read; its save() then checks the same version in the UPDATE.

    Raises PreconditionFailed (412) if it does not match, PreconditionRequired (428) if it is missing and ``required``.
    """
    header = request.headers.get("If-Match")
    if header is None:
        if required:
            raise PreconditionRequired("If-Match is missing: read the resource, and send its ETag with the change")
        return
    if header.strip() == "*":
        return
    if not LIST.fullmatch(header):
        raise PreconditionFailed(f"If-Match {header!r} is no list of entity tags")
    strong = [f'"{tag}"' for weak, tag in TAG.findall(header) if not weak]
    if etag(instance) not in strong:
        raise PreconditionFailed(CHANGED)


def conditional(view: Callable[..., Any]) -> Callable[..., Any]:
    """Answer what check_match() and a stale save() raise in ``view``: 412, 428 or 409, as problem details.

    For functions and methods, sync and async; a class takes it as ``method_decorator(conditional, name="dispatch")``.
    What the view wrote before is rolled back where ATOMIC_REQUESTS stands around it.
    """
    if iscoroutinefunction(view):

        @functools.wraps(view)
        async def answered_async(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            return await _awaited(request, view(request, *args, **kwargs))

        return answered_async

    @functools.wraps(view)
    def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        try:
            found = view(request, *args, **kwargs)
        except REFUSED as error:
            roll_back()
            return refused(request, error)
        return _awaited(request, found) if inspect.isawaitable(found) else found  # dispatch() of an async class

    return answered


async def _awaited(request: HttpRequest, answer: Awaitable[Any]) -> Any:
    try:
        return await answer
    except REFUSED as error:
        return refused(request, error)


def roll_back() -> None:
    """Let the transaction of ATOMIC_REQUESTS, which would commit with an answer, be rolled back."""
    for connection in connections.all(initialized_only=True):
        if connection.settings_dict["ATOMIC_REQUESTS"] and connection.in_atomic_block:
            connection.set_rollback(True)


def refused(request: Any, error: StaleVersion | PreconditionFailed | PreconditionRequired) -> HttpResponse:
    """Return the problem details of ``error``. Source: RFC 9457; RFC 6585, section 3, for 428."""
    if isinstance(error, PreconditionRequired):
        status, name, title = 428, "precondition-required", "Precondition required"
    elif isinstance(error, PreconditionFailed) or "If-Match" in request.headers:
        status, name, title = 412, "precondition-failed", "Precondition failed"
    else:
        status, name, title = 409, "stale-version", "Changed meanwhile"
    detail = str(error) if not isinstance(error, StaleVersion) else CHANGED
    return problem({"type": PROBLEM + name, "title": title, "status": status, "detail": detail})


def problem(members: dict[str, Any], encoder: type[json.JSONEncoder] | None = None) -> HttpResponse:
    """Return ``members`` as an answer that no cache keeps."""
    content = json.dumps(members, cls=encoder)
    response = HttpResponse(content, status=members["status"], content_type="application/problem+json")
    response["Cache-Control"] = "no-store"
    return response
