"""What a million records cost: a request beside them, and their purge."""

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.core.management import call_command
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from harness import tell
from idempotency_views import COLUMNS

ROWS = 1_000_000
STOCK = 5_000  # an index is used from about a hundred rows on; no site that is measured stays below
HEADERS = '[["Content-Type","application/json"],["Location","/orders/4711"]]'
ANSWER = '{"id": 4711, "amount": 1999, "state": "placed"}'


def truncate(connection: BaseDatabaseWrapper) -> None:
    """Empty the table of records."""
    verb = "TRUNCATE" if connection.vendor == "postgresql" else "DELETE FROM"
    with connection.cursor() as cursor:
        cursor.execute(f"{verb} {_model()._meta.db_table}")


def fill(connection: BaseDatabaseWrapper, *, expired: bool, rows: int = ROWS) -> None:
    """Add ``rows`` finished records, expired one after the other through yesterday or alive until tomorrow."""
    started = time.monotonic()
    fields = _model()._meta.local_concrete_fields
    names = ", ".join(connection.ops.quote_name(str(field.column)) for field in fields)
    values = ", ".join(_value(connection.vendor, field, expired=expired) for field in fields)
    source = f"generate_series(1, {rows}) AS series(n)"
    if connection.vendor == "sqlite":
        counted = f"SELECT 1 UNION ALL SELECT n + 1 FROM series WHERE n < {rows}"
        source = f"(WITH RECURSIVE series(n) AS ({counted}) SELECT n FROM series)"
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {_model()._meta.db_table} ({names}) SELECT {values} FROM {source}")
    tell(f"{connection.vendor}: {rows} records in {time.monotonic() - started:.0f} s")


def stock(connection: BaseDatabaseWrapper) -> None:
    """Add records to our table and to the floor's, as a site has them after its first hour."""
    fill(connection, expired=False, rows=STOCK)
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO bench_floor ({COLUMNS}) SELECT {COLUMNS} FROM {_model()._meta.db_table}")


def _model() -> type[models.Model]:
    from django_dist.models import RequestRecord

    found: type[models.Model] = RequestRecord
    return found


def _value(vendor: str, field: "models.Field[Any, Any]", *, expired: bool) -> str:
    """Return an SQL expression that fills ``field`` as a finished request would."""
    native = vendor == "postgresql"
    if field.null and field.name != "body":
        return "NULL"
    if isinstance(field, models.UUIDField):
        return "gen_random_uuid()" if native else "lower(hex(randomblob(16)))"
    if isinstance(field, models.DateTimeField):
        day = -1 if expired else 1
        if "expire" not in field.name:
            day -= 1
        if native:
            return f"now() + interval '{day} day' - n * interval '50 ms'"
        return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', '{day} day', '-' || (n * 0.05) || ' seconds')"
    if isinstance(field, models.BinaryField):
        return f"convert_to('{ANSWER}', 'UTF8')" if native else f"CAST('{ANSWER}' AS BLOB)"
    if isinstance(field, models.IntegerField):
        return "201" if field.name == "status" else str(int(field.get_default() or 0))
    return f"'{HEADERS}'" if field.name == "headers" else f"'{field.name}'"


@dataclass(frozen=True)
class Purged:
    """How a purge went."""

    rows: int
    left: int
    seconds: float
    transactions: int
    longest: float  # seconds of the longest transaction, by the client's clock


def purge(connection: BaseDatabaseWrapper, limit: float) -> Purged:
    """Run ``dist_purge`` with its own batch size on ``connection``, which must be the default one, for ``limit`` s."""
    before = _count(connection)
    with _transactions(connection) as spans:
        started = time.perf_counter()
        call_command("dist_purge", limit_s=limit, verbosity=0, stdout=io.StringIO(), stderr=io.StringIO())
        seconds = time.perf_counter() - started
    left = _count(connection)
    return Purged(before - left, left, seconds, len(spans), max(spans, default=0.0))


def _count(connection: BaseDatabaseWrapper) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {_model()._meta.db_table}")
        (count,) = cursor.fetchone()
    return int(count)


@contextmanager
def _transactions(connection: BaseDatabaseWrapper) -> Iterator[list[float]]:
    """Collect the seconds of each transaction: from autocommit off to on again, or one statement in autocommit."""
    spans: list[float] = []
    begun: list[float] = []
    usual = connection.set_autocommit

    def set_autocommit(autocommit: bool, **options: Any) -> None:
        if not autocommit:
            begun[:] = [time.perf_counter()]
        usual(autocommit, **options)
        if autocommit and begun:
            spans.append(time.perf_counter() - begun.pop())

    def statement(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        started = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            if connection.get_autocommit() and not begun:  # SQLite sends its BEGIN through a cursor
                spans.append(time.perf_counter() - started)

    connection.__dict__["set_autocommit"] = set_autocommit
    try:
        with connection.execute_wrapper(statement):
            yield spans
    finally:
        del connection.__dict__["set_autocommit"]
