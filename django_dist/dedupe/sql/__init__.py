"""The statement of a claim, a module a database: it takes digests in order, and returns those that are won."""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from uuid import UUID

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from ...exceptions import InvalidBackend

#: Claim digests, sorted, under a scope for so many seconds (None: for ever); return those that were won.
Take = Callable[[CursorWrapper, list[UUID], str, float | None], set[UUID]]
VENDORS = ("mysql", "postgresql", "sqlite")


def taker_for(connection: BaseDatabaseWrapper) -> Take:
    """Return what claims on the database behind ``connection``."""
    if connection.vendor not in VENDORS:
        known = "SQLite, PostgreSQL, MariaDB and MySQL"
        raise InvalidBackend(f"database {connection.alias!r}: {connection.vendor} is not one of {known}")
    return _take(connection.vendor)


@cache
def _take(vendor: str) -> Take:
    take: Take = import_module(f"{__name__}.{vendor}").take
    return take
