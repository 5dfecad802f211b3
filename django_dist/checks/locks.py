"""Checks of DIST_LOCKS: wrong names and options, and locks that another process does not see."""

from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as Caution
from django.core.exceptions import ImproperlyConfigured

from ..locks.registry import locks
from .base import TAG, Found, check
from .policies import several_processes


@register(TAG)
def check_lock_stores(app_configs: object = None, **_: object) -> list[CheckMessage]:
    """E051."""
    faults: dict[str, None] = {}
    try:
        for alias in locks.aliases():
            try:
                locks[alias]
            except ImproperlyConfigured as error:
                faults[str(error)] = None
    except ImproperlyConfigured as error:
        faults[str(error)] = None
    hint = "Correct the name or value; the how-to of locks lists the stores and their options."
    return [Error(fault, hint=hint, id="django_dist.E051") for fault in faults]


@check
def check_lock_processes() -> Found:
    """W051, where WEB_CONCURRENCY tells of several."""
    for alias in locks.aliases():
        if several_processes() and locks[alias].per_process:
            yield Caution(
                f"DIST_LOCKS[{alias!r}] keeps locks in one process: another one gets them, too.",
                hint="Use a store that all processes share, such as 'django_dist.locks.database.DatabaseLocks'.",
                id="django_dist.W051",
            )
