"""How a guarded change of one row is sent to each database, and what comes back."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

#: Runs a statement with its values; returns the columns that were written, or None where no row was.
Run: TypeAlias = Callable[[CursorWrapper, str, list[Any]], Sequence[Any] | None]


def runner(connection: BaseDatabaseWrapper, table: str, **statements: str) -> Run:
    """Return what runs ``statements``, each a change of a row of ``table``, on databases like ``connection``."""
    if connection.vendor == "mysql":
        return counted
    if connection.vendor == "postgresql":
        from .postgresql import prepared_runner  # the one module here that needs psycopg

        return prepared_runner(table, **statements)
    return returned


def returned(cursor: CursorWrapper, sql: str, values: list[Any]) -> Sequence[Any] | None:
    """See Run; for UPDATE ... RETURNING."""
    cursor.execute(sql, values)
    row: Sequence[Any] | None = cursor.fetchone()
    return row


def counted(cursor: CursorWrapper, sql: str, values: list[Any]) -> Sequence[Any] | None:
    """See Run; for MySQL, where LAST_INSERT_ID(...) comes back with the count of rows."""
    cursor.execute(sql, values)
    if not cursor.rowcount:
        return None
    return [cursor.lastrowid - 2**64 if cursor.lastrowid >= 2**63 else cursor.lastrowid]
