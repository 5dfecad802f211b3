"""What an operator decides about a held request: it goes on, calls a step again, gets its result, or is forgotten."""

from collections.abc import Iterator
from typing import Any, Final
from uuid import UUID

from django.db.models import DurationField, ExpressionWrapper, F, QuerySet, TextField
from django.db.models.functions import Cast, Greatest

from ..clock import StoreNow, StoreTime
from ..exceptions import InvalidStep
from ..models import RequestRecord
from .database import DatabaseRequests
from .registry import requests
from .steps import Steps

HELD: Final = RequestRecord.State.HELD
RELEASED_S: Final = 86_400.0  # what is released can be repeated for a day at least
# As text: SQLite compares times as text, and Django writes those of a whole second without their zeros.
SINCE: Final = Cast("leased_until", TextField())


def stores() -> Iterator[DatabaseRequests]:
    """Yield the stores that can hold a request, one a database: aliases that share it share its records."""
    seen = set()
    for alias in requests.aliases():
        store = requests[alias]
        if isinstance(store, DatabaseRequests) and store.database not in seen:
            seen.add(store.database)
            yield store


def held(database: str) -> "QuerySet[RequestRecord]":
    """Return the requests that are held, the oldest first; ``reason`` says why, ``age`` for how long."""
    age = ExpressionWrapper(StoreNow() - F("leased_until"), output_field=DurationField())
    rows = RequestRecord._base_manager.using(database).filter(state=HELD)
    return rows.defer("body", "headers", "kept").annotate(age=age).order_by("leased_until")


def release(database: str, digest: UUID) -> bool:
    """Let the next try go on, of the client or of dist_complete; return whether the request was held.

    A step whose outcome is unknown is decided by its ``on_unknown`` again.
    """
    row = _row(database, digest)
    return row is not None and _free(database, row, Steps.read(row.steps))


def rerun(database: str, digest: UUID) -> bool:
    """Let the next try call what was called without a word since, under the same key; see release()."""
    if (row := _row(database, digest)) is None:
        return False
    steps = Steps.read(row.steps)
    for name in steps.unknown():
        steps.forget(name)
    return _free(database, row, steps)


def resolve(database: str, digest: UUID, step: str, result: Any) -> bool:
    """Let the next try go on with ``result`` as that of ``step``, which took effect; see release().

    Raises InvalidStep where the outcome of ``step`` is known, and where ``result`` is no JSON.
    """
    if (row := _row(database, digest)) is None:
        return False
    steps = Steps.read(row.steps)
    if not steps.is_unknown(step):
        raise InvalidStep(f"the outcome of step {step!r} is not unknown; unknown are {steps.unknown()}")
    steps.end(step, result)
    return _free(database, row, steps)


def forget(database: str, digest: UUID) -> bool:
    """Delete the record: the same request would run from its beginning; return whether it was held."""
    return bool(RequestRecord._base_manager.using(database).filter(pk=digest, state=HELD).delete()[0])


def _row(database: str, digest: UUID) -> RequestRecord | None:
    rows = RequestRecord._base_manager.using(database).filter(pk=digest, state=HELD)
    return rows.annotate(since=SINCE).defer("body", "kept").first()


def _free(database: str, row: RequestRecord, steps: Steps) -> bool:
    """Make ``row`` a request that was left, its tries and its time begun anew, unless somebody was quicker."""
    rows = RequestRecord._base_manager.using(database).annotate(since=SINCE)
    mine = rows.filter(pk=row.pk, state=HELD, since=row.since)  # type: ignore[attr-defined]
    return bool(
        mine.update(
            state=RequestRecord.State.RUNNING,
            reason="",
            steps=steps.text(),
            attempts=0,
            leased_until=StoreTime(),
            expires_at=Greatest(F("expires_at"), StoreTime(RELEASED_S)),
        )
    )
