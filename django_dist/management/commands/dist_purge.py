"""Delete what is expired, in small batches. Safe to stop at any time, and to run twice at once."""

from argparse import ArgumentParser
from collections.abc import Callable, Iterable, Iterator
from time import monotonic
from typing import Any, Final, Protocol

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connections, router

from ...dedupe.entries import DedupeEntries
from ...exceptions import DistError
from ...idempotency.base import RequestBackend
from ...idempotency.database import DatabaseRequests
from ...idempotency.registry import requests
from ...locks.base import LockBackend
from ...locks.database import DatabaseLocks
from ...locks.registry import locks
from ...models import DedupeEntry
from ...sessions.database import DatabaseSessions
from ...sessions.options import options

TELL_EVERY_S: Final = 2.0


class Purgeable(Protocol):
    """What can be purged: a store of requests or of locks, the dedupe entries of a database, or the sessions."""

    @property
    def alias(self) -> str:
        """What it is named by."""

    def expired(self) -> int:
        """Return how many expired rows there are."""

    def purge(self, batch: int) -> int:
        """Delete up to ``batch`` of them and return how many."""


def _requests() -> Iterator[RequestBackend]:
    """Yield a store a place: aliases that share a database share its records."""
    seen = set()
    for alias in requests.aliases():
        store = requests[alias]
        place = ("database", store.database) if isinstance(store, DatabaseRequests) else ("store", alias)
        if place not in seen:
            seen.add(place)
            yield store


def _dedupe() -> Iterator[DedupeEntries]:
    yield DedupeEntries(router.db_for_write(DedupeEntry))


def _sessions() -> Iterator[DatabaseSessions]:
    """Yield a store a database: the engine's own, and those that hold copies."""
    copies = [name.partition(":")[2] for name in options().replicas if name.startswith("database:")]
    own = DatabaseSessions()
    yield own
    yield from (DatabaseSessions(alias) for alias in dict.fromkeys(copies) if alias != own.database)


def _locks() -> Iterator[LockBackend]:
    """Yield a store a database: aliases that share one share its locks."""
    found = [locks[alias] for alias in locks.aliases()]
    yield from {store.database: store for store in found if isinstance(store, DatabaseLocks)}.values()


#: What ``--only`` may name.
CONCERNS: Final[dict[str, Callable[[], Iterable[Purgeable]]]] = {
    "requests": _requests,
    "dedupe": _dedupe,
    "sessions": _sessions,
    "locks": _locks,
}


class Command(BaseCommand):
    """``manage.py dist_purge``: run it from cron, as often as the store shall be small."""

    help = "Delete expired rows in small batches; safe to stop, and to run twice at once."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """See BaseCommand."""
        parser.add_argument("--batch", type=int, default=1000, help="rows a transaction (default: %(default)s)")
        parser.add_argument("--limit-s", type=float, help="stop after so many seconds; the next run goes on")
        parser.add_argument("--only", help=f"one of: {', '.join(CONCERNS)} (default: all)")
        parser.add_argument(
            "--database", action="append", default=[], help="a further database of dedupe entries; may be given twice"
        )
        parser.add_argument("--dry-run", action="store_true", help="count, and delete nothing")

    def handle(
        self,
        *,
        batch: int,
        limit_s: float | None,
        only: str | None,
        database: list[str],
        dry_run: bool,
        verbosity: int,
        **options: Any,
    ) -> None:
        """Purge every store; see BaseCommand."""
        if batch < 1:
            raise CommandError(f"--batch must be at least 1, not {batch}")
        if limit_s is not None and not limit_s > 0:
            raise CommandError(f"--limit-s must be above 0, not {limit_s}")
        if only is not None and only not in CONCERNS:
            raise CommandError(f"--only must be one of {sorted(CONCERNS)}, not {only!r}")
        if unknown := sorted(set(database) - set(connections)):
            raise CommandError(f"--database must be one of {sorted(connections)}, not {', '.join(unknown)}")
        began = monotonic()
        self._over_at = float("inf") if limit_s is None else began + limit_s
        self._quiet, self._told = verbosity == 0, began
        self._done = self._total = 0
        failures = []
        try:
            for concern in [only] if only else CONCERNS:
                further = [DedupeEntries(alias) for alias in database] if concern == "dedupe" else []
                for store in [*CONCERNS[concern](), *further]:
                    try:
                        self._purge(store, 0 if dry_run else batch)
                    except (DatabaseError, DistError) as error:
                        failures.append(f"{concern}, alias {store.alias!r}: {str(error).strip()}")
        finally:  # also when stopped by Ctrl-C
            self.stdout.write(f"deleted {self._done} of {self._total} expired rows in {monotonic() - began:.1f} s")
        if failures:
            raise CommandError("; ".join(failures))

    def _purge(self, store: Purgeable, batch: int) -> None:
        """Delete until a batch is not full: what expires meanwhile is left to the next run.

        A batch of a partitioned table may be more than full.
        """
        before, waiting, began = self._done, store.expired(), monotonic()
        if getattr(store, "purges_itself", False) and not self._quiet:
            self.stdout.write(f"requests, alias {store.alias!r}: the store deletes what expires by itself")
        self._total += waiting
        removed = batch
        while batch and removed >= batch and monotonic() < self._over_at:
            removed = store.purge(batch)
            self._done += removed
            self._tell(self._done - before, waiting, began)

    def _tell(self, done: int, waiting: int, began: float) -> None:
        """Say every two seconds how far it is."""
        now = monotonic()
        if done and not self._quiet and now - self._told >= TELL_EVERY_S:
            self._told = now
            left_s = max(0, waiting - done) * (now - began) / done
            self.stderr.write(f"{done}/{waiting} rows, about {left_s:.0f} s left")
