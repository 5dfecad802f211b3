"""A guarded change on PostgreSQL: prepared once a session, where it is a transaction of its own.

Within a transaction of the caller's nothing is prepared: it would take a savepoint for each of any number of changes.
"""

from collections.abc import Sequence
from typing import Any

from django.db.backends.utils import CursorWrapper

from ..prepared import PreparedStatements
from .running import Run


def prepared_runner(table: str, **statements: str) -> Run:
    """See runner()."""
    prepared = PreparedStatements(table, **statements)  # type: ignore[arg-type]

    def run(cursor: CursorWrapper, sql: str, values: list[Any]) -> Sequence[Any] | None:
        row: Sequence[Any] | None = prepared.row(cursor, sql, values)
        return row

    return run
