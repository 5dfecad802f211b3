"""Run abandoned requests to their end, and let an operator decide about those that are held. Safe to stop."""

import json
import signal
import threading
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any, Final
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from ...exceptions import DistError
from ...idempotency import held
from ...idempotency.completer import Completer, Outcome, Patience

TELL_EVERY_S: Final = 2.0
USUAL: Final = Patience()


class Command(BaseCommand):
    """``manage.py dist_complete``: run it from cron, or with --every as a service; as many as there shall be."""

    help = (
        "Run abandoned requests of views with completes=True to their end, oldest first; safe to stop, and to run "
        "several times at once. What does not end is held: list it and decide."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """See BaseCommand."""
        parser.add_argument("--every", type=float, help="seconds until it looks again; without it, it ends when done")
        parser.add_argument("--batch", type=int, default=20, help="requests a look-up (default: %(default)s)")
        parser.add_argument("--limit-s", type=float, help="begin no request after so many seconds")
        parser.add_argument(
            "--max-attempts", type=int, default=USUAL.attempts, help="tries until it is held (default: %(default)s)"
        )
        parser.add_argument(
            "--backoff-s",
            type=float,
            default=USUAL.backoff_s,
            help="seconds after a first try, doubled after each, up to an hour (default: %(default)s)",
        )
        deeds = parser.add_mutually_exclusive_group()
        deeds.add_argument("--dry-run", action="store_true", help="count what is due, and run nothing")
        deeds.add_argument("--list", action="store_true", help="list what is held, and why; run nothing")
        deeds.add_argument("--release", metavar="DIGEST", type=UUID, help="let the next try of a held one go on")
        deeds.add_argument(
            "--rerun", metavar="DIGEST", type=UUID, help="as --release; a step of unknown outcome is called again"
        )
        deeds.add_argument(
            "--resolve",
            metavar=("DIGEST", "STEP", "RESULT"),
            nargs=3,
            help="as --release; a step of unknown outcome took effect, with this result (JSON)",
        )
        deeds.add_argument("--forget", metavar="DIGEST", type=UUID, help="delete a held one: its repeat runs anew")

    def handle(self, **options: Any) -> None:
        """Do what is asked; see BaseCommand."""
        for name, decide in (("release", held.release), ("rerun", held.rerun), ("forget", held.forget)):
            if options[name] is not None:
                self._decide(options[name], decide, name)
                return
        if options["resolve"]:
            digest, step, result = options["resolve"]
            self._resolve(digest, step, result)
        elif options["list"]:
            self._list()
        else:
            self._complete(**options)

    # -- an operator's decisions --

    def _decide(self, digest: UUID, decide: Callable[[str, UUID], bool], done: str) -> None:
        if not any(decide(store.database, digest) for store in held.stores()):
            raise CommandError(f"{digest} is not held; --list shows what is")
        self.stdout.write(f"{done}: {digest}")

    def _resolve(self, digest: str, step: str, result: str) -> None:
        try:
            known, value = UUID(digest), json.loads(result)
            self._decide(known, lambda database, pk: held.resolve(database, pk, step, value), "resolve")
        except ValueError as error:
            raise CommandError(f"--resolve {digest} {step}: {error}") from error

    def _list(self) -> None:
        count = 0
        for store in held.stores():
            for row in held.held(store.database).iterator():
                count += 1
                age_s = row.age.total_seconds()  # type: ignore[attr-defined]
                self.stdout.write(
                    f"{row.pk}  {age_s:.0f} s  {row.attempts} tries  {row.view}  {row.scope}  {row.reason}"
                )
        self.stdout.write(f"{count} held")

    # -- driving --

    def _complete(
        self,
        *,
        every: float | None,
        batch: int,
        limit_s: float | None,
        max_attempts: int,
        backoff_s: float,
        dry_run: bool,
        verbosity: int,
        **options: Any,
    ) -> None:
        if not 1 <= max_attempts <= 100:
            raise CommandError(f"--max-attempts must be 1 to 100, not {max_attempts}")
        for name, value, least in (("batch", batch, 1), ("backoff-s", backoff_s, 0)):
            if not value >= least:
                raise CommandError(f"--{name} must be at least {least}, not {value}")
        for name, seconds in (("every", every), ("limit-s", limit_s)):
            if seconds is not None and not seconds > 0:
                raise CommandError(f"--{name} must be above 0, not {seconds}")
        self._began, self._told, self._quiet = monotonic(), monotonic(), verbosity == 0
        self._over_at = float("inf") if limit_s is None else self._began + limit_s
        self._counts: Counter[Outcome] = Counter()
        completers = [Completer(store, Patience(max_attempts, backoff_s)) for store in held.stores()]
        if dry_run:
            self.stdout.write(f"{sum(completer.due().count() for completer in completers)} due")
            return
        with _stopped_by_signal() as self._stop:
            try:
                self._drive_all(completers, batch, every)
            except (DatabaseError, DistError) as error:
                raise CommandError(str(error).strip()) from error
            finally:
                self.stdout.write(f"{self._line()} in {monotonic() - self._began:.1f} s")

    def _drive_all(self, completers: list[Completer], batch: int, every: float | None) -> None:
        while True:
            for completer in completers:
                while not self._over() and self._drive(completer, batch):
                    pass
            if every is None or self._over() or self._stop.wait(min(every, self._over_at - monotonic())):
                return

    def _drive(self, completer: Completer, batch: int) -> bool:
        """Drive one batch; return whether there was any."""
        seen = completer.seen(batch)
        for request in seen:
            if self._over():
                break
            if (outcome := completer.drive(*request)) is not None:
                self._counts[outcome] += 1
            self._tell()
        return bool(seen)

    def _over(self) -> bool:
        return self._stop.is_set() or monotonic() >= self._over_at

    def _tell(self) -> None:
        if not self._quiet and monotonic() - self._told >= TELL_EVERY_S:
            self._told = monotonic()
            self.stderr.write(self._line())

    def _line(self) -> str:
        return ", ".join(f"{self._counts[outcome]} {outcome.value}" for outcome in Outcome)


@contextmanager
def _stopped_by_signal() -> Iterator[threading.Event]:
    """Let SIGTERM set the event that is given: the request at work is finished first."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    usual = signal.signal(signal.SIGTERM, lambda *_: stop.set())
    try:
        yield stop
    finally:
        signal.signal(signal.SIGTERM, usual)
