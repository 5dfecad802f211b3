"""Checks of where the middleware stands."""

from collections.abc import Iterable
from typing import Any, Final

from django.conf import settings
from django.core.checks import Error
from django.core.checks import Warning as Caution
from django.utils.module_loading import import_string

from ..diagnosis.policies import SETTING, uses
from .base import Found, check, is_kind

MIDDLEWARE: Final = "django_dist.idempotency.IdempotencyMiddleware"
# By name: a class of contrib.auth cannot be imported where that app is not installed.
OWN: Final = "django_dist.idempotency.middleware.IdempotencyMiddleware"
AUTHENTICATION: Final = "django.contrib.auth.middleware.AuthenticationMiddleware"


def _middleware() -> list[Any]:
    """Return what MIDDLEWARE names; None for what cannot be imported, which Django tells by itself."""
    return [_imported(name) for name in settings.MIDDLEWARE]


def _imported(name: str) -> Any:
    try:
        return import_string(name)
    except ImportError:
        return None


def _positions(found: Iterable[Any], kind: str) -> list[int]:
    return [place for place, part in enumerate(found) if is_kind(part, kind)]


@check
def check_middleware() -> Found:
    """E002, E003, E004, W001."""
    found = _middleware()
    own, authentication = _positions(found, OWN), _positions(found, AUTHENTICATION)
    if not own:
        if hasattr(settings, SETTING) or uses():
            yield Error(
                f"{MIDDLEWARE} is missing from MIDDLEWARE: no answer is recorded.",
                hint=f"Add '{MIDDLEWARE}' as the last of MIDDLEWARE.",
                id="django_dist.E002",
            )
        return
    if len(own) > 1:
        yield Error(
            f"{MIDDLEWARE} is in MIDDLEWARE {len(own)} times.", hint="Keep the last one.", id="django_dist.E003"
        )
    if authentication and own[0] < authentication[0]:
        yield Error(
            f"{MIDDLEWARE} comes before AuthenticationMiddleware: users would share their keys.",
            hint="Move it to the end of MIDDLEWARE.",
            id="django_dist.E004",
        )
    elif own[-1] != len(found) - 1:
        after = ", ".join(settings.MIDDLEWARE[own[-1] + 1 :])
        yield Caution(
            f"{MIDDLEWARE} is not the last of MIDDLEWARE: what {after} does to an answer is recorded with it, "
            "and what it writes is part of the request's transaction.",
            hint="Move it to the end of MIDDLEWARE.",
            id="django_dist.W001",
        )
