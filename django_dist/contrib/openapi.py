"""What a guarded operation adds to its OpenAPI description: the header, the refusals, the mark of a replay."""

from typing import Any, Final

from ..idempotency.keys import EXAMPLE
from ..idempotency.marks import EXEMPT, GUARDED, is_marked, layers
from ..idempotency.middleware import SITE
from ..idempotency.policy import Policy, PolicySource, all_views
from ..idempotency.replay import REPLAYED

UUID: Final[dict[str, Any]] = {"type": "string", "format": "uuid"}
FORMS: Final[dict[str, dict[str, Any]]] = {
    "uuid": UUID,
    "uuid4": UUID,
    "uuid7": UUID,
    "opaque": {"type": "string", "minLength": 1, "maxLength": 255},
}
REFUSALS: Final = {
    "400": "The idempotency key is missing or malformed.",
    "409": "A request with this key is in progress, is held, or its answer was not kept.",
    "422": "The key was used for another request.",
    "503": "The store of the records does not answer; repeat the request with the same key.",
}
PROBLEM: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}
RETRY_AFTER: Final = {"description": "Seconds until a repeat.", "schema": {"type": "integer"}}
REPLAY: Final = {
    "description": "`true` where this is the recorded answer of an earlier request with the same key.",
    "schema": {"type": "string", "enum": ["true"]},
}


def policy_of(handler: Any, view: Any = None) -> Policy | None:
    """Return what guards ``handler`` of the class ``view``, or None."""
    cells = getattr(handler, "__closure__", None) or ()  # @api_view holds the function in one
    inner = (*layers(handler), *(cell.cell_contents for cell in cells))
    for holder in inner if is_marked(handler, EXEMPT) else (*inner, view):
        if isinstance(source := getattr(holder, GUARDED, None), PolicySource):
            return source.policy()
    if all_views() and not is_marked(handler, EXEMPT) and not hasattr(view, EXEMPT):
        return SITE.policy()
    return None


def describe(operation: dict[str, Any], policy: Policy) -> None:
    """Add to ``operation`` what ``policy`` makes of it; what it says of these statuses already stays, beside ours."""
    parameters = operation.setdefault("parameters", [])
    known = {str(one.get("name", "")).lower() for one in parameters if one.get("in") == "header"}
    if not known & {name.lower() for name in policy.header}:
        parameters += [_parameter(name, policy) for name in policy.header]
    responses = operation.setdefault("responses", {})
    for response in responses.values():
        if "$ref" not in response:
            response.setdefault("headers", {}).setdefault(REPLAYED, REPLAY)
    for status, why in REFUSALS.items():
        key = int(status) if int(status) in responses else status
        response = responses.setdefault(key, {"description": why})
        if "$ref" in response:
            continue
        if policy.problem is None:
            response.setdefault("content", {}).setdefault("application/problem+json", {"schema": PROBLEM})
        if status in ("409", "503"):
            response.setdefault("headers", {}).setdefault("Retry-After", RETRY_AFTER)


def _parameter(name: str, policy: Policy) -> dict[str, Any]:
    return {
        "name": name,
        "in": "header",
        "required": policy.required and len(policy.header) == 1,  # of several names, any one will do
        "description": "One value for each logical request, the same for each of its tries.",
        "schema": FORMS[policy.key_format],
        "example": EXAMPLE,
    }
