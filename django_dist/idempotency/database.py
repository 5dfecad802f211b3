"""Requests recorded in the database that the view writes to, in one transaction with its writes.

Not for effects outside that database: a call to a bank does not roll back.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from time import monotonic
from typing import Any, ClassVar

from django.db import DatabaseError, InterfaceError, InternalError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Q
from django.db.transaction import Atomic

from ..clock import StoreNow
from ..exceptions import BackendUnavailable, InvalidBackend, RequestInProgress, UnsupportedView
from ..models import RequestRecord, Sweep
from .base import Answer, Attempt, Claim, Record, RequestBackend
from .database_leases import DatabaseLease, DatabaseLeases
from .sql import plan_for
from .sql.base import FOUND, RUNNING, Plan, to_record

LOST = (OperationalError, InterfaceError)  # what drivers raise when the server is not there


class DatabaseRequests(RequestBackend):
    """Keep requests in ``database``, an alias of DATABASES that takes writes (never a replica)."""

    modes: ClassVar[frozenset[str]] = frozenset({"atomic", "lease"})
    diagnosis: ClassVar[str] = "django_dist.diagnosis.databases.examine"

    def __init__(self, *, alias: str, database: str = "default") -> None:
        super().__init__(alias=alias)
        if database not in connections.settings:
            raise InvalidBackend(
                f"DIST_IDEMPOTENCY[{alias!r}]: database {database!r} is not one of {list(connections.settings)}"
            )
        self.database, self._sweep = database, Sweep()
        name = str(connections.settings[database]["NAME"])
        self.per_process = ":memory:" in name or "mode=memory" in name

    @cached_property
    def plan(self) -> Plan:
        """The statements of this database."""
        return plan_for(connections[self.database])

    def attempt(self, mode: str = "atomic", max_run: float = 600.0) -> Attempt:
        """See RequestBackend.attempt()."""
        if mode == "lease":
            return DatabaseLease(self.leases, max_run)
        return DatabaseAttempt(connections[self.database], self.plan)

    @cached_property
    def leases(self) -> DatabaseLeases:
        """The store of mode ``lease``, in the same table."""
        return DatabaseLeases(self.alias, self.database)

    def encloses(self, view: Callable[..., Any]) -> bool:
        """Return whether ATOMIC_REQUESTS opens a transaction for ``view``, which the record must outlive."""
        atomic_requests = connections.settings[self.database]["ATOMIC_REQUESTS"]
        return bool(atomic_requests) and self.database not in getattr(view, "_non_atomic_requests", ())

    def shares(self, attempt: Attempt) -> bool:
        """See RequestBackend.shares()."""
        return isinstance(attempt, DatabaseAttempt) and attempt.alias == self.database

    def purge(self, batch: int) -> int:
        """See RequestBackend.purge()."""
        removed: int = RequestRecord.objects.using(self.database).expired().delete_oldest(batch, self._sweep)
        return removed

    def expired(self) -> int:
        """See RequestBackend.expired()."""
        count: int = RequestRecord.objects.using(self.database).expired().count()
        return count


class _RequestBlock(Atomic):
    """The transaction of a request under a key."""


class _Spared(set[str]):
    """The databases that ATOMIC_REQUESTS leaves alone for a view: also one whose transaction is ours already.

    Django asks it at each request, on the thread that runs a sync view. Without it, its own
    block inside of ours would cost two round trips for a savepoint.
    """

    def __contains__(self, alias: object) -> bool:
        blocks = connections[str(alias)].atomic_blocks[-1:]
        return super().__contains__(alias) or any(isinstance(block, _RequestBlock) for block in blocks)


class DatabaseAttempt(Attempt):
    """A try that lives in one transaction of this thread's connection."""

    def __init__(self, connection: BaseDatabaseWrapper, plan: Plan) -> None:
        self._connection, self._plan = connection, plan
        self._block: Atomic | None = None
        self._enclosed = self._committed = False

    def enclose(self, view: Callable[..., Any]) -> None:
        """See Attempt.enclose(). A store that does not answer is told by claim()."""
        spared: Any = getattr(view, "_non_atomic_requests", ())
        if not isinstance(spared, _Spared):
            with suppress(AttributeError):  # a bound method takes no attributes; Django adds its savepoint
                view._non_atomic_requests = _Spared(spared)  # type: ignore[attr-defined]
        with suppress(DatabaseError):
            self._begin()
            self._enclosed = True

    def claim(self, claim: Claim) -> Record | None:
        """See Attempt.claim(); on any error nothing of ours stays open."""
        self._claim, deadline = claim, monotonic() + claim.wait
        while True:
            try:
                return self._try(claim)
            except BaseException as error:
                self.abandon()
                if not isinstance(error, DatabaseError):
                    raise
                left = max(0.0, deadline - monotonic())
                if not self._plan.passes(self._connection, error, left) or self._enclosed:
                    return self._instead(error)
                claim = claim._replace(wait=left)

    def _try(self, claim: Claim) -> Record | None:
        if self._block is None:
            self._refuse_foreign_block()
            self._begin()
        found = self._plan.claim(self._cursor, claim, joined=self._alone)
        if found is not None:
            self._replay(found)
        return found

    def _replay(self, found: Record) -> None:
        """Count the replay and end the transaction; undo it if another request came under this key."""
        if found.fingerprint == self._claim.fingerprint:
            self._plan.count(self._cursor, self._claim, joined=self._alone and not self._enclosed)
        if not self._enclosed:
            self._close(keep=found.fingerprint == self._claim.fingerprint)

    def _begin(self) -> None:
        block = _RequestBlock(self._connection.alias, savepoint=True, durable=False)
        block.__enter__()
        self._block = block
        self._cursor = self._connection.cursor()
        if self._alone:  # in a test case it would be taken for a hook of the view's
            self._connection.on_commit(self._note_commit)

    @property
    def alias(self) -> str:
        """The alias of the database."""
        return self._connection.alias

    def _note_commit(self) -> None:
        self._committed = True

    @property
    def _alone(self) -> bool:
        """Whether our transaction is the outermost, and nothing else is open in it."""
        return len(self._connection.atomic_blocks) == 1

    def _refuse_foreign_block(self) -> None:
        blocks = self._connection.atomic_blocks
        if any(not block._from_testcase for block in blocks):  # type: ignore[attr-defined]
            raise UnsupportedView(
                f"{self._claim.view}: an atomic block stands around @idempotent and could undo a recorded answer; "
                "put it inside, or leave it out: the view runs in a transaction already"
            )

    def _instead(self, error: DatabaseError) -> Record:
        """Return the record that stands in spite of a claim that failed, or raise what the failure means."""
        if not self._plan.is_busy(error):
            if not isinstance(error, (*LOST, InternalError)):  # which may be a standby that only reads
                raise error  # such as a missing table: no repeat will mend it
            raise BackendUnavailable(f"database {self._connection.alias!r} did not take the claim: {error}") from error
        try:
            record = self._look_up()
        except DatabaseError as second:  # such as a SQLite file that a COMMIT keeps even from readers
            if not self._plan.is_busy(second):
                raise BackendUnavailable(f"database {self._connection.alias!r}: {second}") from second
            record = None
        if record is None:
            raise RequestInProgress("the first request with this key still runs", retry_after=1) from error
        return record

    def _look_up(self) -> Record | None:
        """Return the record that stands now, unless a doomed transaction around us keeps us from asking."""
        if self._connection.needs_rollback:
            return None
        records = RequestRecord.objects.using(self._connection.alias).filter(
            Q(state__gt=RUNNING) | Q(leased_until__isnull=False), pk=self._claim.digest, expires_at__gt=StoreNow()
        )
        row = records.values_list(*FOUND.split(", ")).first()
        return None if row is None else to_record(row)

    @property
    def doomed(self) -> bool:
        """See Attempt.doomed."""
        return self._connection.needs_rollback

    @property
    def aborted(self) -> bool:
        """See Attempt.aborted."""
        return self._plan.is_aborted(self._connection)

    @property
    def broken(self) -> bool:
        """See Attempt.broken."""
        return self._connection.closed_in_transaction

    def lost(self, error: BaseException) -> bool:
        """See Attempt.lost(); the view may have put an error of its own around it."""
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, (*LOST, InternalError)):
            cause = cause.__cause__ or cause.__context__
        at_work = self._block is not None and not self.broken
        return cause is not None and at_work and self._plan.is_lost(self._connection)

    def finish(self, answer: Answer) -> Record | None:
        """See Attempt.finish()."""
        try:
            self._plan.record(self._cursor, self._claim, answer, joined=self._alone)
            self._close(keep=True)
        except DatabaseError as error:
            if self._committed:
                raise  # an on_commit hook of the view's, after all is done
            lost = isinstance(error, LOST) or (not self.broken and self._plan.is_lost(self._connection))
            self.abandon()
            if self._plan.is_duplicate(error) and (record := self._first()) is not None:
                return record
            if lost:
                message = f"database {self._connection.alias!r} was lost while it committed: {error}"
                raise BackendUnavailable(message, committing=True) from error
            raise
        return None

    def _first(self) -> Record | None:
        """Return the record that is there instead of this try's."""
        try:
            return self._look_up()
        except DatabaseError as error:  # as above: it stands, and the repeat will read it
            message = f"database {self._connection.alias!r} did not tell the record of another try: {error}"
            raise BackendUnavailable(message, committing=True) from error

    def abandon(self) -> None:
        """See Attempt.abandon(). Inside a block of somebody else's it is marked and done later."""
        if self._block is None:
            return
        if self._connection.atomic_blocks[-1:] == [self._block]:
            self._close(keep=False)
        else:
            self._connection.needs_rollback = True

    def leave(self) -> None:
        """See Attempt.leave()."""
        if self._block is not None:
            self._close(keep=True)

    def _close(self, *, keep: bool) -> None:
        block, self._block = self._block, None
        if block is not None:
            undo = None if keep else DatabaseError("abandoned")
            block.__exit__(None if undo is None else type(undo), undo, None)
