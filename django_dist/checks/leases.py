"""Checks of mode ``lease``: what its views must keep to, and whether their database lets them."""

from functools import partial

from django.core.checks import Info
from django.core.checks import Warning as Caution
from django.db import connections

from ..diagnosis.policies import uses
from ..idempotency.database import DatabaseRequests
from .base import Found, check

#: As OPTIONS["isolation_level"] says it; an enumeration of psycopg is named by its ``name``.
WEAK_ENOUGH = frozenset({"READ COMMITTED", "READ UNCOMMITTED", "NONE"})


@check
def check_isolation() -> Found:
    """W021."""
    leased = {
        use.store.database: use.where
        for use in uses()
        if use.policy.mode == "lease" and isinstance(use.store, DatabaseRequests)
    }
    for database, where in leased.items():
        connection = connections[database]
        level = connection.settings_dict["OPTIONS"].get("isolation_level")
        name = str(getattr(level, "name", level)).upper().replace("_", " ")
        if connection.vendor == "postgresql" and name not in WEAK_ENOUGH:
            yield Caution(
                f"{where}: database {database!r} is at isolation level {name}: a step that outlasts a renewal of its "
                "lease fails when its result is written, and its outcome is unknown.",
                hint=f"Remove isolation_level from OPTIONS of DATABASES[{database!r}].",
                id="django_dist.W021",
            )


@partial(check, deploy=True)
def check_writes() -> Found:
    """I001; no check can see what a view writes, so it asks for a look before each deployment, and not in between."""
    if leased := sorted({use.where for use in uses() if use.policy.mode == "lease"}):
        yield Info(
            f"In mode 'lease' a write between two steps is committed by itself, and made again by the next try after "
            f"a crash. This concerns {', '.join(leased)}.",
            hint="Write inside of step() or finishing() alone; then silence this by SILENCED_SYSTEM_CHECKS.",
            id="django_dist.I001",
        )
