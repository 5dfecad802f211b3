"""Find what nobody works on any more and run it to its end; any number of processes share the work.

Not for a view whose effects a second try would double: what happens once stands in a step.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from functools import cached_property, reduce
from operator import or_
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db.models import Q, QuerySet
from django.db.models.functions import Least

from ..clock import StoreTime
from ..diagnosis.policies import uses
from ..exceptions import LeaseLost, NotResumable
from ..models import RequestRecord
from .base import Answer, Claim, Record
from .database import DatabaseRequests
from .database_leases import FREE, MOST_TRIES, DatabaseLease
from .kept import Kept, is_plain, read
from .resumed import Rerun

log: Final = logging.getLogger("django_dist.idempotency")
LONGEST_BACKOFF_S: Final = 3600.0
TRIED: Final = Least("attempts", MOST_TRIES - 1) + 1
TAKE_S: Final = 30.0  # the first lease, until the request's own is read
DENIED: Final = frozenset({401, 403})
PASSING: Final = frozenset({408, 409, 423, 425, 429})


class Outcome(Enum):
    """What became of one abandoned request."""

    COMPLETED = "completed"
    FAILED = "failed"  # to be tried again later
    HELD = "held"
    LOST = "lost"  # another try has taken over


class Patience(NamedTuple):
    """How often a request is tried, its client's own tries included, and how long after each."""

    attempts: int = 8
    backoff_s: float = 10.0

    def due(self) -> Q:
        """Return which requests are due: free for long enough, by how often they were tried."""
        few = [Q(attempts=tries) & self._since(tries) for tries in range(self.attempts)]
        return reduce(or_, few, Q(attempts__gte=self.attempts) & self._since(self.attempts))

    def _since(self, tries: int) -> Q:
        pause = min(LONGEST_BACKOFF_S, self.backoff_s * 2 ** (tries - 1)) if tries else 0.0
        return Q(leased_until__lte=StoreTime(-pause))


class Driven(DatabaseLease):
    """A try that stays in our hands where the view does not finish it, for us to decide what becomes of it."""

    outcome = Outcome.FAILED

    def told(self) -> None:
        """See Attempt.told(): nobody was."""

    def keep(self, *, steps: bool = False) -> None:
        """See LeaseAttempt.keep()."""
        with self._or_lost():
            super().keep(steps=steps)

    def finish(self, answer: Answer) -> Record | None:
        """See Attempt.finish()."""
        with self._or_lost():
            found = super().finish(answer)
        if found is None:
            self.outcome = Outcome.COMPLETED
        elif self.outcome is Outcome.FAILED:
            self.outcome = Outcome.LOST
        return found

    def hold(self, why: str) -> None:
        """See LeaseAttempt.hold()."""
        facts = {"digest": str(self.digest)}
        with self._or_lost():
            super().hold(why)
        self.outcome = Outcome.HELD
        log.warning("a request is held for an operator: %s", why, extra=facts)

    @contextmanager
    def _or_lost(self) -> Iterator[None]:
        try:
            yield
        except LeaseLost:
            if self.outcome is Outcome.FAILED:  # else it has ended before, by our own doing
                self.outcome = Outcome.LOST
            raise

    def abandon(self) -> None:
        """See Attempt.abandon(): what was written is undone, and the claim is kept."""
        self.undo()

    def let_go(self) -> None:
        """End this try, if it has not ended; a later one goes on."""
        super().abandon()


class Completer:
    """Drives the abandoned requests of one store."""

    def __init__(self, store: DatabaseRequests, patience: Patience) -> None:
        self._leases, self._patience, self._rerun = store.leases, patience, Rerun()

    def _rows(self) -> "QuerySet[RequestRecord]":
        return RequestRecord._base_manager.using(self._leases.database)

    def due(self) -> "QuerySet[RequestRecord]":
        """Return what is due, oldest first."""
        return self._rows().filter(FREE, self._patience.due(), kept__isnull=False).order_by("leased_until")

    def seen(self, batch: int) -> "list[tuple[UUID, int]]":
        """Return digest and attempts of up to ``batch`` that are due, for drive()."""
        rows: QuerySet[Any] = self.due().values_list("pk", "attempts")
        return list(rows[:batch])

    def drive(self, digest: UUID, attempts: int) -> Outcome | None:
        """Run one request to its end if it is still as it was seen; None: another process was quicker."""
        attempt = Driven(self._leases, TAKE_S)
        row = self._take(attempt.owner, digest, attempts)
        return None if row is None else self._drive(attempt, row)

    def _take(self, owner: UUID, digest: UUID, attempts: int) -> Any:
        """Take one request if it is still due and as it was seen, for attempts grow with every try; return its row."""
        leased: dict[str, Any] = {"owner": owner, "leased_until": StoreTime(TAKE_S), "attempts": TRIED}
        if not self.due().order_by().filter(pk=digest, attempts=attempts).update(**leased):
            return None
        return self._rows().filter(pk=digest, owner=owner).annotate(now=StoreTime()).first()

    def _drive(self, attempt: Driven, row: Any) -> Outcome:
        kept, why = self._read(bytes(row.kept))
        why = why or self._why_not(row)
        if kept is not None:
            attempt.max_run = kept.max_run
        attempt.begin(_claim(row, kept), row.steps)
        try:
            if kept is None or why:
                attempt.hold(why)
            else:
                attempt.keep()  # from here on by the request's own lease
                self._run(attempt, kept, row.attempts)
        except LeaseLost:
            pass  # its outcome says so
        finally:
            attempt.let_go()
        return attempt.outcome

    def _read(self, stored: bytes) -> tuple[Kept | None, str]:
        """Return what is kept, or why it cannot be read."""
        if is_plain(stored) and not self._takes_plain:
            return (
                None,
                "it was kept in plain, and no view's keep_request says so: any who writes to the table may have",
            )
        try:
            return read(stored), ""
        except NotResumable as error:
            return None, str(error)

    @cached_property
    def _takes_plain(self) -> bool:
        return any(use.policy.keep_request == "plain" for use in uses())

    def _why_not(self, row: Any) -> str:
        if row.expires_at <= row.now:
            return "its time was over before it was completed"
        if row.attempts > self._patience.attempts:
            return f"{row.attempts - 1} tries have ended without an answer"
        return ""

    def _run(self, attempt: Driven, kept: Kept, attempts: int) -> None:
        """Run the view; hold what will not end by being repeated."""
        try:
            ran = self._rerun.run(kept, attempt)
        except NotResumable as error:
            attempt.hold(str(error))
            return
        if attempt.claimed is None:
            return
        ended = f"answered {ran.status}" + (f" ({ran.error})" if ran.error else "")
        if ran.status in DENIED:
            attempt.hold(f"its user is denied: {ended}")
        elif not ran.reached and ran.status < 500 and ran.status not in PASSING:
            attempt.hold(f"its view is not reached under a guard any more: {ended}")
        elif attempts >= self._patience.attempts:
            attempt.hold(f"{attempts} tries have ended without an answer to keep, the last {ended}")


def _claim(row: Any, kept: Kept | None) -> Claim:
    return Claim(
        digest=row.digest,
        fingerprint=row.fingerprint,
        binding=row.binding,
        scope=row.scope,
        view=row.view,
        ttl=kept.ttl if kept else 0.0,
        wait=0.0,
        lease=kept.lease if kept else TAKE_S,
        kept=bytes(row.kept),
    )
