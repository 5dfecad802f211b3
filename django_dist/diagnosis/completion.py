"""Checks of what is left unfinished: somebody completes it, and somebody decides what is held."""

from collections.abc import Iterator
from typing import Final

from django.db.models import DurationField, ExpressionWrapper, F

from ..clock import StoreNow
from ..models import RequestRecord
from .base import Check, Finding, Subject, advice
from .common import COUNTED, has_table

LATE_S: Final = 2 * 3600.0  # beyond the longest pause between two tries
State: Final = RequestRecord.State


def abandoned_requests(subject: Subject) -> Iterator[Finding]:
    """Somebody completes what is abandoned."""
    if not has_table(subject):
        return
    rows = RequestRecord.objects.using(subject.connection.alias).filter(state=State.RUNNING, kept__isnull=False)
    late = ExpressionWrapper(StoreNow() - F("leased_until"), output_field=DurationField())
    longest = rows.order_by("leased_until").values_list(late, flat=True).first()
    if longest is not None and longest.total_seconds() > LATE_S:
        hours = longest.total_seconds() / 3600
        yield advice(
            f"abandoned requests wait to be completed, the oldest for {hours:.0f} hours",
            "run manage.py dist_complete --every 10 as a service",
        )


def held_requests(subject: Subject) -> Iterator[Finding]:
    """No request is held for an operator."""
    if not has_table(subject):
        return
    held = RequestRecord.objects.using(subject.connection.alias).filter(state=State.HELD, leased_until__isnull=False)
    if count := held[:COUNTED].count():
        yield advice(f"{count} requests are held for an operator", "manage.py dist_complete --list tells why; decide")


CHECKS: Final[tuple[Check, ...]] = (abandoned_requests, held_requests)
