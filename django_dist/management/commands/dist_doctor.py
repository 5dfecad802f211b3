"""Say what is configured, what answers and how fast, and what is wrong with it and how to mend it."""

from argparse import ArgumentParser
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError

from ...diagnosis.base import Report
from ...diagnosis.examine import examine_all
from ...diagnosis.sessions import repair_sessions
from ...exceptions import DistError

HEAD: Final = ("setting", "alias", "backend", "database", "server", "round trip")


class Command(BaseCommand):
    """``manage.py dist_doctor``: exit status 1 if something is wrong; advice alone is 0."""

    help = "Ask each configured store how it is; exit status 1 if something is wrong, 0 with advice alone."
    requires_system_checks: list[str] = []  # what they would stop at is told here

    def add_arguments(self, parser: ArgumentParser) -> None:
        """See BaseCommand."""
        parser.add_argument("--repair", choices=["sessions"], help="give replicas of sessions what they have missed")

    def handle(self, *, repair: str | None = None, **options: Any) -> None:
        """Print the table and the findings; see BaseCommand."""
        if repair is not None:
            self._repair()
        reports = examine_all()
        self._table([HEAD, *map(_row, reports)])
        for report in reports:
            for finding in report.findings:
                style, word = (self.style.ERROR, "wrong") if finding.wrong else (self.style.WARNING, "advice")
                self.stdout.write(f"\n{style(word)}  {report.alias}: {finding.text}\n        mend: {finding.mend}")
        wrong, advice = (
            sum(finding.wrong is kind for report in reports for finding in report.findings) for kind in (True, False)
        )
        summary = f"{len(reports)} store{'s' * (len(reports) != 1)}, {wrong} wrong, {advice} advice"
        if wrong:
            raise CommandError(summary)
        self.stdout.write(f"\n{summary}")

    def _repair(self) -> None:
        try:
            self.stdout.write(f"handed {repair_sessions()} sessions over to replicas that had missed them\n")
        except DistError as error:
            raise CommandError(f"not repaired: {error}; run it again when every replica answers") from error

    def _table(self, rows: list[tuple[str, ...]]) -> None:
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            self.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _row(report: Report) -> tuple[str, ...]:
    trip = "-" if report.round_trip_ms is None else f"{report.round_trip_ms:.2f} ms"
    return (report.setting, report.alias, report.backend, report.database, report.server, trip)
