"""What is kept of a request so that it can be run again without its client: what the view reads, no credentials."""

import json
import logging
from typing import Any, Final, NamedTuple

from django.db.models import Model
from django.http import HttpRequest

from ..exceptions import NotResumable
from .body import whole_body
from .keys import header_value, meta_name
from .policy import Policy
from .scope import NOBODY

log: Final = logging.getLogger("django_dist.idempotency")
FORM: Final = 1
#: Without these a body cannot be read.
OF_THE_BODY: Final = ("Content-Type", "Content-Encoding")


class Kept(NamedTuple):
    """A request that can be run again, and the times of the policy that it came under."""

    method: str
    scheme: str
    host: str
    script: str
    path: str
    query: str
    headers: dict[str, str]
    user: tuple[str, str] | None  # label of the model, and primary key
    ttl: float
    lease: float
    max_run: float
    body: bytes


def kept_of(request: HttpRequest, user: Any, label: str, policy: Policy, view: str) -> bytes | None:
    """Return what is kept of ``request``, or None: nothing is to be, or it cannot be run again."""
    if not policy.completes or policy.keep_request is None or policy.mode != "lease":
        return None
    if label != NOBODY and not _is_stored(user) and getattr(user, "is_authenticated", False):
        log.warning("%s: a request is not kept: its user is no object of a model, to be loaded anew", view)
        return None
    stream, place = whole_body(request)
    try:
        body = stream.read(policy.max_request_bytes + 1)
    finally:
        stream.seek(place)
    if len(body) > policy.max_request_bytes:
        log.warning("%s: a request is not kept: longer than max_request_bytes=%s", view, policy.max_request_bytes)
        return None
    plain = _written(
        Kept(
            method=request.method or "",
            scheme=request.scheme or "http",
            host=request._get_raw_host(),  # type: ignore[attr-defined]
            script=request.META.get("SCRIPT_NAME", ""),
            path=request.path_info,
            query=request.META.get("QUERY_STRING", ""),
            headers=_headers(request, policy),
            user=(user._meta.label_lower, str(user.pk)) if _is_stored(user) else None,
            ttl=float(policy.ttl),
            lease=float(policy.lease),
            max_run=float(policy.max_run),
            body=body,
        )
    )
    if policy.keep_request == "plain":
        return plain
    from .sealed import seal

    return seal(plain)


def _is_stored(user: Any) -> bool:
    """Return whether ``user`` can be loaded anew; request.user may be lazy."""
    return isinstance(user, Model) and user.pk is not None


def _headers(request: HttpRequest, policy: Policy) -> dict[str, str]:
    found = {name: request.META.get(meta_of(name), "") for name in (*OF_THE_BODY, *policy.keep_headers)}
    key = header_value(request, policy.header)
    return {name: value for name, value in [*found.items(), *([key] if key else [])] if value}


def meta_of(header: str) -> str:
    """Return the name of ``header`` in ``request.META``, where Content-Type has one of its own."""
    return "CONTENT_TYPE" if header.lower() == "content-type" else meta_name(header)


def _written(kept: Kept) -> bytes:
    facts = {name: value for name, value in kept._asdict().items() if name != "body"}
    return json.dumps({"form": FORM, **facts}).encode() + b"\n" + kept.body


def is_plain(stored: bytes) -> bool:
    """Return whether ``stored`` is not sealed, so that whoever can write to the table may have made it."""
    return stored.startswith(b"{")


def read(stored: bytes) -> Kept:
    """Return the request that ``stored`` holds; raises NotResumable."""
    if not is_plain(stored):
        from .sealed import unseal

        stored = unseal(stored)
    head, _, body = stored.partition(b"\n")
    try:
        facts = json.loads(head)
        if facts.pop("form") != FORM:
            raise NotResumable("it was kept by another version of django_dist")
        user = tuple(facts.pop("user") or ()) or None
        facts |= {name: float(facts[name]) for name in ("ttl", "lease", "max_run")}
        return Kept(**facts, user=user, body=body)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise NotResumable("what was kept of it is damaged") from error
