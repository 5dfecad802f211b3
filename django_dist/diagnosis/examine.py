"""Examine every configured store: is it built, does it answer, and what do the checks of its kind say."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from statistics import median
from typing import Final

from django.db import Error, connections

from ..conf import configured
from ..exceptions import DistError
from ..idempotency.database import DatabaseRequests
from ..idempotency.policy import Policy
from ..idempotency.registry import requests
from . import common
from .base import Check, Finding, Subject, wrong
from .policies import FAULTS, site_readers, sound, view_readers

ROUND_TRIPS: Final = 15
SYSTEM_CHECK: Final = "manage.py check tells more"


@dataclass(slots=True)
class Report:
    """What was found of one alias."""

    setting: str
    alias: str
    backend: str
    database: str = "-"
    server: str = "-"
    round_trip_ms: float | None = None
    findings: list[Finding] = field(default_factory=list)


def examine_all() -> list[Report]:
    """Return a report for every alias of every concern."""
    return [_examine(alias) for alias in configured(requests.setting)]


def _examine(alias: str) -> Report:
    backend = str(configured(requests.setting)[alias]["BACKEND"])
    report = Report(requests.setting, alias, backend.rpartition(".")[2])
    try:
        store, policies = requests[alias], _policies(alias)
        if isinstance(store, DatabaseRequests):
            report.database = store.database
            _examine_database(report, Subject(connections[store.database], policies))
        else:
            store.expired()
            report.server = "answers"
    except FAULTS as error:
        report.findings.append(wrong(str(error), SYSTEM_CHECK))
    except (Error, DistError) as error:
        mend = "start it, or correct its address and password in DATABASES"
        report.findings.append(wrong(f"the store does not answer: {str(error).strip()}", mend))
    return report


def _policies(alias: str) -> tuple[Policy, ...]:
    """Return the policies of the views that use ``alias``, and that of the site."""
    found = sound([*site_readers(), *view_readers()])
    return tuple(use.policy for use in found if use.store.alias == alias) or (Policy(),)


def _examine_database(report: Report, subject: Subject) -> None:
    connection = subject.connection
    connection.ensure_connection()
    server = ".".join(map(str, connection.get_database_version()))
    report.server = f"{connection.display_name} {server}"
    report.round_trip_ms = median(_round_trips_ms(subject))
    for check in _checks(connection.vendor):
        report.findings.extend(check(subject))


def _round_trips_ms(subject: Subject) -> Iterator[float]:
    for _ in range(ROUND_TRIPS):
        began = time.perf_counter()
        subject.ask("SELECT 1")
        yield (time.perf_counter() - began) * 1000


def _checks(vendor: str) -> tuple[Check, ...]:
    own: tuple[Check, ...] = import_module(f"{__package__}.{vendor}").CHECKS
    return common.CHECKS + own
