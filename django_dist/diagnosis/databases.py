"""Examine a store in a database: its server, its round trip, and the checks of every database and of its kind."""

from importlib import import_module

from django.db import Error, connections

from ..idempotency.database import DatabaseRequests
from ..idempotency.policy import Policy
from . import common, completion
from .base import Check, Report, Subject, median_ms, unanswered


def examine(report: Report, store: DatabaseRequests, policies: tuple[Policy, ...]) -> None:
    """Fill ``report`` with what the database of ``store`` says."""
    report.database = store.database
    subject = Subject(connections[store.database], policies)
    try:
        _ask(report, subject)
    except Error as error:
        mend = "start it, or correct its address and password in DATABASES"
        report.findings.append(unanswered(error, mend))


def _ask(report: Report, subject: Subject) -> None:
    connection = subject.connection
    connection.ensure_connection()
    server = ".".join(map(str, connection.get_database_version()))
    report.server = f"{connection.display_name} {server}"
    report.round_trip_ms = median_ms(lambda: subject.ask("SELECT 1"))
    for check in _checks(connection.vendor):
        report.findings.extend(check(subject))


def _checks(vendor: str) -> tuple[Check, ...]:
    own: tuple[Check, ...] = import_module(f"{__package__}.{vendor}").CHECKS
    return common.CHECKS + completion.CHECKS + own
