"""Checks of ``completes``: what dist_complete could not do is said at start."""

from importlib.util import find_spec
from typing import Final

from django.core.checks import Error
from django.core.checks import Warning as Caution

from ..diagnosis.policies import uses
from ..idempotency.database import DatabaseRequests
from .base import Found, check

ENCRYPTED: Final = "pip install 'django-dist[encrypted]'"


@check
def check_completion() -> Found:
    """E011, E013, W011."""
    for use in uses():
        if not use.policy.completes:
            continue
        if use.policy.mode != "lease":
            yield Caution(
                f"{use.where}: completes=True does nothing in mode={use.policy.mode!r}: what is left is rolled back.",
                hint="Set mode='lease', or completes=False.",
                id="django_dist.W011",
            )
            continue
        if use.policy.keep_request is None:
            yield Error(
                f"{use.where}: completes=True, and keep_request says not how the request is kept: none can be run.",
                hint="Set keep_request='encrypted' or keep_request='plain'.",
                id="django_dist.E011",
            )
        if not isinstance(use.store, DatabaseRequests):
            yield Error(
                f"{use.where}: completes=True, and its store, {use.policy.using!r}, cannot list what is unfinished.",
                hint="Set using to an alias of DatabaseRequests, or completes=False.",
                id="django_dist.E013",
            )


@check
def check_encryption() -> Found:
    """E012."""
    if find_spec("cryptography") is not None:
        return
    for use in uses():
        if use.policy.completes and use.policy.keep_request == "encrypted":
            yield Error(
                f"{use.where}: keep_request='encrypted' needs cryptography, which is not installed.",
                hint=f"{ENCRYPTED}, or keep_request='plain'.",
                id="django_dist.E012",
            )
