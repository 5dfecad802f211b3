"""The words of a diagnosis: a subject, a finding, and how a check asks the server."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper

from ..idempotency.policy import Policy

#: Longest time in seconds for which a lost host should be able to keep a key from being repeated.
LOST_HOST_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend. ``wrong``: a guarantee does not hold, or requests fail; else it is advice."""

    wrong: bool
    text: str
    mend: str


@dataclass(frozen=True, slots=True)
class Subject:
    """A database that keeps requests, and the policies of the views whose requests it keeps."""

    connection: BaseDatabaseWrapper
    policies: tuple[Policy, ...]

    def ask(self, sql: str, *values: Any) -> Any:
        """Return the first column of the first row, or None."""
        with self.connection.cursor() as cursor:
            cursor.execute(sql, values)
            row = cursor.fetchone()
        return None if row is None else row[0]

    def ask_all(self, sql: str, *values: Any) -> list[Any]:
        """Return every row."""
        with self.connection.cursor() as cursor:
            cursor.execute(sql, values)
            return list(cursor.fetchall())


Check = Callable[[Subject], Iterator[Finding]]


def wrong(text: str, mend: str) -> Finding:
    """Return a finding that makes dist_doctor fail."""
    return Finding(True, text, mend)


def advice(text: str, mend: str) -> Finding:
    """Return a finding that does not."""
    return Finding(False, text, mend)
