"""The words of a diagnosis: a subject, a finding, a report, and how a check asks the server."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Final

from django.db.backends.base.base import BaseDatabaseWrapper

from ..idempotency.policy import Policy

#: Longest time in seconds for which a lost host should be able to keep a key from being repeated.
LOST_HOST_S: Final = 120.0
ROUND_TRIPS: Final = 15


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to mend. ``wrong``: a guarantee does not hold, or requests fail; else it is advice."""

    wrong: bool
    text: str
    mend: str


@dataclass(slots=True)
class Report:
    """What was found of one alias; ``database`` is the alias of DATABASES or CACHES that it lies in."""

    setting: str
    alias: str
    backend: str
    database: str = "-"
    server: str = "-"
    round_trip_ms: float | None = None
    findings: list[Finding] = field(default_factory=list)


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


def unanswered(error: Exception, mend: str) -> Finding:
    """Return the finding of a store that did not answer."""
    return wrong(f"the store does not answer: {str(error).strip()}", mend)


def median_ms(ask: Callable[[], object]) -> float:
    """Return the median time of a call in milliseconds."""

    def trips() -> Iterator[float]:
        for _ in range(ROUND_TRIPS):
            began = time.perf_counter()
            ask()
            yield (time.perf_counter() - began) * 1000

    return median(trips())
