"""Checks of the databases that keep records: whether they can, and whether records and writes are one transaction."""

from django.apps import apps
from django.core.checks import Error
from django.core.checks import Warning as Caution
from django.db import connections, router

from ..diagnosis.policies import SETTING, uses
from ..idempotency.database import DatabaseRequests
from ..models import RequestRecord
from .base import Found, check


def _databases() -> dict[str, DatabaseRequests]:
    """Return the stores in use that keep their records in a database, by its alias."""
    return {use.store.database: use.store for use in uses() if isinstance(use.store, DatabaseRequests)}


@check
def check_databases() -> Found:
    """E006, E007, E009, W003: whether the databases of the records can keep them."""
    for database in _databases():
        entry = connections.settings[database]
        if not router.allow_migrate_model(database, RequestRecord):
            yield Error(
                f"A database router keeps the table of records away from database {database!r}, which is to hold it.",
                hint=f"Let allow_migrate({database!r}, 'django_dist') of DATABASE_ROUTERS return True or None.",
                id="django_dist.E006",
            )
        if not entry["AUTOCOMMIT"]:
            yield Error(
                f"AUTOCOMMIT is off for database {database!r}: atomic() would never commit there.",
                hint=f"Remove AUTOCOMMIT from DATABASES[{database!r}].",
                id="django_dist.E007",
            )
        if "EMPTY_STRING_IS_NULL" in str(entry["OPTIONS"].get("sql_mode", "")).upper():
            yield Error(
                f"sql_mode of database {database!r} has EMPTY_STRING_IS_NULL: an empty text or answer cannot be kept.",
                hint=f"Set 'sql_mode' in OPTIONS of DATABASES[{database!r}] without it.",
                id="django_dist.E009",
            )
        mode = str(entry["OPTIONS"].get("transaction_mode", "DEFERRED")).upper()
        if connections[database].vendor == "sqlite" and mode not in ("IMMEDIATE", "EXCLUSIVE"):
            yield Caution(
                f"Database {database!r} begins its transactions {mode}: one that reads before it writes may fail at "
                "once with 'database is locked'.",
                hint=f'Set "transaction_mode": "IMMEDIATE" in OPTIONS of DATABASES[{database!r}].',
                id="django_dist.W003",
            )


@check
def check_written_databases() -> Found:
    """E005, W006: whether records and writes are in one transaction."""
    stores = _databases()
    written: dict[str, list[str]] = {}
    for model in apps.get_models():
        if model._meta.managed and not model._meta.proxy and model._meta.app_label != RequestRecord._meta.app_label:
            written.setdefault(router.db_for_write(model), []).append(model._meta.label)
    for database in stores:
        if written and database not in written:
            yield Error(
                f"Records are kept in database {database!r}, and no model is written there: a rollback of one leaves "
                "the other.",
                hint=f"Set OPTIONS['database'] of {SETTING} to one of {sorted(written)}.",
                id="django_dist.E005",
            )
    elsewhere = [label for database, labels in written.items() if database not in stores for label in labels]
    if elsewhere and stores and not stores.keys().isdisjoint(written):
        shown = ", ".join(elsewhere[:5]) + (" ..." if len(elsewhere) > 5 else "")
        yield Caution(
            f"{len(elsewhere)} models are written to another database than the records ({shown}): their rows are not "
            "undone with a request, and not written once with it.",
            hint="Keep what guarded views write beside the records; silence this check where they write none of it.",
            id="django_dist.W006",
        )
