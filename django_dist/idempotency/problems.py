"""Refusals over HTTP: problem details of RFC 9457, or what the policy's ``problem`` makes of them."""

import json
import math

from django.http import HttpRequest, HttpResponse, HttpResponseBase

from ..exceptions import IdempotencyError
from .policy import Policy


def refusal(request: HttpRequest, error: IdempotencyError, policy: Policy) -> HttpResponseBase:
    """Return the answer that refuses ``request``; Retry-After is in whole seconds, rounded up."""
    response = policy.problem(request, error) if policy.problem else None
    if response is None:
        response = problem(error)
    if error.retry_after is not None and not response.has_header("Retry-After"):
        response["Retry-After"] = str(math.ceil(error.retry_after))
    return response


def problem(error: IdempotencyError) -> HttpResponse:
    """Return the problem details of ``error``. Source: RFC 9457, section 3."""
    members = {"type": error.type, "title": error.title, "status": error.status, "detail": error.detail}
    response = HttpResponse(json.dumps(members), status=error.status, content_type="application/problem+json")
    response["Cache-Control"] = "no-store"
    return response
