"""Checks of what policies say: wrong names and values, keys of safe methods, records of one process."""

import os
from collections.abc import Callable
from functools import partial
from typing import Any

from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as Caution
from django.core.exceptions import ImproperlyConfigured

from ..conf import configured
from ..diagnosis.policies import FAULTS, SETTING, site_readers, use_of, uses, view_readers
from ..idempotency.policy import SAFE
from ..idempotency.registry import requests
from .base import TAG, Found, check


@register(TAG)
def check_policies(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """E001."""
    faults: dict[str, None] = {}
    try:
        for alias in configured(SETTING):
            faults |= _fault(f"{SETTING}[{alias!r}]", partial(requests.__getitem__, alias))
        for where, read in (*site_readers(), *view_readers()):
            faults |= _fault(where, partial(use_of, where, read))
    except ImproperlyConfigured as error:
        faults[str(error)] = None
    hint = "Correct the name or value; the reference of settings lists what there is."
    return [Error(fault, hint=hint, id="django_dist.E001") for fault in faults]


def _fault(where: str, read: Callable[[], Any]) -> dict[str, None]:
    try:
        read()
    except FAULTS as error:
        text = str(error)
        return {text if text.startswith((SETTING, where)) else f"{where}: {text}": None}
    return {}


@check
def check_safe_methods() -> Found:
    """W002."""
    for use in uses():
        if use.policy.required and (safe := sorted(SAFE.intersection(use.policy.methods))):
            yield Caution(
                f"{use.where}: a key is required for {', '.join(safe)}, which change nothing and carry none.",
                hint=f"Leave {', '.join(safe)} out of methods.",
                id="django_dist.W002",
            )


def several_processes() -> bool:
    """Return whether WEB_CONCURRENCY tells of several processes."""
    return os.environ.get("WEB_CONCURRENCY", "1") not in ("", "0", "1")


def _own_records() -> Found:
    for alias in sorted({use.store.alias for use in uses() if use.store.per_process}):
        yield Caution(
            f"{SETTING}[{alias!r}] keeps records in one process: another one runs the repeat again.",
            hint="Use a database file or server, which all processes share.",
            id="django_dist.W004",
        )


@check
def check_processes() -> Found:
    """W004, where WEB_CONCURRENCY tells of several."""
    return _own_records() if several_processes() else iter(())


def _check_deployment() -> Found:
    """W004, at ``check --deploy``, unless the plain check tells it."""
    return iter(()) if several_processes() else _own_records()


check(_check_deployment, deploy=True)
