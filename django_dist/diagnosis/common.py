"""Checks of every database: its tables, its rows that are over, its clock."""

import time
from collections.abc import Iterator
from typing import Any, Final

from django.db.migrations.executor import MigrationExecutor
from django.db.models import DurationField, ExpressionWrapper, F

from ..clock import StoreNow
from ..models import RequestRecord
from .base import Check, Finding, Subject, advice, wrong

PURGE_LATE_S: Final = 2 * 86_400.0
COUNTED: Final = 100_000  # rows that are counted before it is said to be more
CLOCK_OFF_S: Final = 2.0
#: The server's time in seconds since 1970.
CLOCKS: Final = {
    "postgresql": "SELECT extract(epoch FROM clock_timestamp())",
    "mysql": "SELECT UNIX_TIMESTAMP(SYSDATE(6))",
}


def has_table(subject: Subject) -> bool:
    """Return whether the table of requests is there."""
    return RequestRecord._meta.db_table in subject.connection.introspection.table_names()


def tables(subject: Subject) -> Iterator[Finding]:
    """The table is there, and as new as the code."""
    mend = f"run: manage.py migrate django_dist --database {subject.connection.alias}"
    if not has_table(subject):
        yield wrong(f"table {RequestRecord._meta.db_table} is missing", mend)
        return
    executor = MigrationExecutor(subject.connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes("django_dist"))
    if plan:
        yield wrong(f"{len(plan)} migrations are not applied: {', '.join(step.name for step, _ in plan)}", mend)


def expired_rows(subject: Subject) -> Iterator[Finding]:
    """Somebody purges what is over."""
    if not has_table(subject):
        return
    yield from waiting(RequestRecord.objects.using(subject.connection.alias).expired())


def waiting(expired: Any) -> Iterator[Finding]:
    """Tell how many rows are over, and since when, where nobody purges them."""
    late = ExpressionWrapper(StoreNow() - F("expires_at"), output_field=DurationField())
    longest = expired.order_by("expires_at").values_list(late, flat=True).first()
    if longest is not None and longest.total_seconds() > PURGE_LATE_S:
        count = expired.order_by()[: COUNTED + 1].count()
        shown = f"more than {COUNTED}" if count > COUNTED else f"{count}"
        days = longest.total_seconds() / 86_400
        yield advice(f"{shown} expired rows wait, the oldest for {days:.0f} days", "run manage.py dist_purge from cron")


def clock(subject: Subject) -> Iterator[Finding]:
    """The store's clock, which decides what expires, and this host's agree."""
    if (sql := CLOCKS.get(subject.connection.vendor)) is None:
        return  # the same host
    before = time.time()
    there = float(subject.ask(sql))
    off = there - (before + time.time()) / 2
    if abs(off) > CLOCK_OFF_S:
        ahead = "ahead of" if off > 0 else "behind"
        yield advice(
            f"the server's clock is {abs(off):.1f} s {ahead} this host's",
            "synchronise both (NTP); records expire by the server's, logs are written by this host's",
        )


CHECKS: Final[tuple[Check, ...]] = (tables, expired_rows, clock)
