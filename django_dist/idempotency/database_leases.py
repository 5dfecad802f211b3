"""Mode ``lease`` on a database: the claim is a row, committed before the view, and its owner writes alone.

Not for effects that must roll back with a crash: those belong in mode ``atomic``.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from django.db import DatabaseError, InternalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, Q, QuerySet
from django.db.models.constants import OnConflict
from django.db.models.functions import Least
from django.db.transaction import Atomic, atomic

from ..clock import StoreTime
from ..exceptions import BackendUnavailable, UnsupportedView
from ..models import RequestRecord
from .base import Answer, Claim, Record
from .lease import LEAVE_IT_OUT, LeaseAttempt, LeaseStore, Standing
from .sql.base import RUNNING, encoded_headers
from .step_block import LOST, DatabaseStepBlock, StepBlock, may_be_undone

State: Final = RequestRecord.State
FINISHED: Final = (State.FINISHED, State.TOMBSTONE)
# By StoreTime: in a test case's own transaction now() stands still.
FREE: Final = Q(state=State.RUNNING, leased_until__lte=StoreTime())
TAKEN: Final = Q(state=State.RUNNING, leased_until__gt=StoreTime()) | Q(state=State.HELD)
EXPIRED: Final = Q(expires_at__lte=StoreTime())
MOST_TRIES: Final = 2**15 - 1  # more are not counted
#: What a request starts with, besides what its claim says.
NEW: Final[dict[str, Any]] = {"state": RUNNING, "status": 0, "reason": "", "headers": "[]", "body": None, "replays": 0}
#: What a request that has ended leaves behind of its lease.
ENDED: Final[dict[str, Any]] = {"owner": None, "leased_until": None, "steps": None, "kept": None}


class DatabaseLeases(LeaseStore):
    """Keep claims, steps and answers in ``database``; one statement a method, three to take what others had."""

    def __init__(self, alias: str, database: str) -> None:
        self.alias, self.database = alias, database

    @property
    def connection(self) -> BaseDatabaseWrapper:
        """This thread's connection."""
        return connections[self.database]

    def take(self, claim: Claim, owner: UUID) -> Standing:
        """See LeaseStore.take(). Who inserted is told by the owner that stands: row counts differ by database."""
        with self._told():
            self._insert(claim, owner)
            row = self._row(claim.digest)
            if row is not None and row.owner != owner and self._take_over(row, claim, owner):
                row = self._row(claim.digest)
        # None: purged or let go this instant
        return _standing(row) if row else Standing(None, False, False, Record(claim.fingerprint, None, None), None, 0.0)

    def _insert(self, claim: Claim, owner: UUID) -> None:
        row = RequestRecord(
            digest=claim.digest, **NEW, **_asked(claim), **_leased(claim, owner), attempts=1, created_at=StoreTime()
        )
        fields = RequestRecord._meta.concrete_fields
        # As bulk_create() does, without a transaction around one statement.
        self._rows()._insert([row], fields=fields, using=self.database, on_conflict=OnConflict.IGNORE)  # type: ignore[attr-defined]

    def _take_over(self, row: RequestRecord, claim: Claim, owner: UUID) -> bool:
        """Take what is expired, as new, or what the same request has left, with its steps; count a replay."""
        now: datetime = row.now  # type: ignore[attr-defined]
        mine, mode = self._rows().filter(pk=claim.digest), _leased(claim, owner)
        if row.state != RUNNING and row.expires_at > now:
            mine.filter(fingerprint=claim.fingerprint, state__in=FINISHED).update(replays=F("replays") + 1)
        elif row.leased_until is not None and row.expires_at > now >= row.leased_until:
            same = FREE & Q(fingerprint=claim.fingerprint, binding=claim.binding)
            mode |= {"kept": claim.kept} if claim.kept else {}
            return bool(
                mine.filter(same).exclude(EXPIRED).update(**mode, attempts=Least("attempts", MOST_TRIES - 1) + 1)
            )
        elif row.expires_at <= now:
            anew = {**NEW, **ENDED, **_asked(claim), **mode, "attempts": 1, "created_at": StoreTime()}
            return bool(mine.filter(EXPIRED).exclude(TAKEN).update(**anew))
        return False

    def _row(self, digest: UUID) -> RequestRecord | None:
        return self._rows().filter(pk=digest).annotate(now=StoreTime()).first()

    def look(self, digest: UUID) -> Standing | None:
        """See LeaseStore.look()."""
        with self._told():
            row = self._row(digest)
        return None if row is None else _standing(row)

    def keep(self, claim: Claim, owner: UUID, steps: str | None) -> bool:
        """See LeaseStore.keep(). In a transaction it only asks: a lock on the row would stop all renewals."""
        if steps is None and may_be_undone(self.connection):
            standing = self.look(claim.digest)
            return standing is not None and standing.owner == owner
        values = {} if steps is None else {"steps": steps}
        return self._update(claim.digest, owner, leased_until=StoreTime(claim.lease), **values)

    def finish(self, claim: Claim, owner: UUID, answer: Answer) -> bool:
        """See LeaseStore.finish(). In autocommit the statement is its own COMMIT."""
        with self._told(committing=not may_be_undone(self.connection)):
            mine = self._rows().filter(pk=claim.digest, owner=owner, state=RUNNING)
            return bool(mine.update(**_answered(answer), expires_at=StoreTime(claim.ttl), **ENDED))

    def release(self, claim: Claim, owner: UUID, steps: str | None) -> None:
        """See LeaseStore.release()."""
        if steps is None:
            with self._told():
                self._rows().filter(pk=claim.digest, owner=owner)._raw_delete(self.database)
        else:
            gone: dict[str, Any] = {} if claim.kept else {"kept": None}
            self._update(claim.digest, owner, owner=None, leased_until=StoreTime(), steps=steps, **gone)

    def hold(self, claim: Claim, owner: UUID, steps: str, why: str) -> bool:
        """See LeaseStore.hold(). It stays until it is decided: no purge takes it."""
        return self._update(
            claim.digest, owner, state=State.HELD, owner=None, leased_until=StoreTime(), steps=steps, reason=why[:200]
        )

    def renew(self, owners: dict[UUID, UUID], lease: float) -> None:
        """See LeaseStore.renew()."""
        with self._told():
            rows = self._rows().filter(pk__in=owners, owner__in=owners.values(), state=RUNNING)
            rows.update(leased_until=StoreTime(lease))

    def _update(self, digest: UUID, by: UUID, /, **values: Any) -> bool:
        with self._told():
            return bool(self._rows().filter(pk=digest, owner=by, state=RUNNING).update(**values))

    def _rows(self) -> "QuerySet[RequestRecord]":
        return RequestRecord._base_manager.using(self.database)

    @contextmanager
    def _told(self, *, committing: bool = False) -> Iterator[None]:
        try:
            yield
        except (*LOST, InternalError) as error:
            self.connection.close_if_unusable_or_obsolete()  # what comes next, such as release(), connects anew
            message = f"database {self.database!r} did not answer for a lease: {error}"
            raise BackendUnavailable(message, committing=committing) from error

    def in_step(self) -> StepBlock:
        """See LeaseStore.in_step()."""
        self.refuse_block("a step")
        return DatabaseStepBlock(self.connection)

    def refuse_block(self, what: str) -> None:
        """See LeaseStore.refuse_block(): in one of this database."""
        if may_be_undone(self.connection):
            raise UnsupportedView(f"{what} stands in a transaction of {self.database!r}, {LEAVE_IT_OUT}")


class DatabaseLease(LeaseAttempt):
    """A try whose last writes may be committed with the answer."""

    store: DatabaseLeases

    def __init__(self, store: DatabaseLeases, max_run: float) -> None:
        super().__init__(store, max_run)
        self._block: Atomic | None = None
        self._committed = False

    def begin(self, claim: Claim, steps: str | None) -> None:
        """See LeaseAttempt.begin()."""
        super().begin(claim, steps)
        self._connection = self.store.connection  # of the thread that will record the answer

    @contextmanager
    def last_writes(self) -> Iterator[None]:
        """See LeaseAttempt.last_writes()."""
        if self._block is not None:
            raise UnsupportedView("finishing() is called once in a view: its block stays open to the end")
        if self.store.connection is not self._connection:
            raise UnsupportedView(
                "finishing() is called on another thread than the request's, where nobody would commit its writes; "
                "in an async view call it in a function under sync_to_async(), without thread_sensitive=False"
            )
        self.store.refuse_block("finishing()")
        block = atomic(using=self.store.database)
        block.__enter__()
        self._block = block
        if len(self.store.connection.atomic_blocks) == 1:  # in a test case it would be taken for a hook of the view's
            self.store.connection.on_commit(self._note_commit)
        try:
            yield
        except BaseException:
            self.undo()
            raise

    def _note_commit(self) -> None:
        self._committed = True

    @property
    def doomed(self) -> bool:
        """See Attempt.doomed."""
        return self._block is not None and self.store.connection.needs_rollback

    @property
    def broken(self) -> bool:
        """See Attempt.broken."""
        return self._block is not None and self.store.connection.closed_in_transaction

    def write(self, claim: Claim, answer: Answer) -> bool:
        """See LeaseAttempt.write(): with the last writes, or none of both."""
        try:
            kept = super().write(claim, answer)
        except BaseException:
            self.undo()
            raise
        try:
            self._close(keep=kept)
        except LOST as error:
            if self._committed:
                raise  # an on_commit hook of the view's, after all is done
            message = f"database {self.store.database!r} was lost while it committed: {error}"
            raise BackendUnavailable(message, committing=True) from error
        return kept

    def undo(self) -> None:
        """See Attempt.undo()."""
        self._close(keep=False)

    def _close(self, *, keep: bool) -> None:
        block, self._block = self._block, None
        if block is not None:
            undo = None if keep else DatabaseError("abandoned")
            block.__exit__(None if undo is None else type(undo), undo, None)


def _asked(claim: Claim) -> dict[str, Any]:
    return {
        "fingerprint": claim.fingerprint,
        "binding": claim.binding,
        "scope": claim.scope[:200],
        "view": claim.view[:200],
        "kept": claim.kept,
        "expires_at": StoreTime(claim.ttl),
    }


def _answered(answer: Answer) -> dict[str, Any]:
    return {
        "state": State.TOMBSTONE if answer.body is None else State.FINISHED,
        "status": answer.status,
        "reason": answer.reason[:200],
        "headers": encoded_headers(answer.headers),
        "body": answer.body,
    }


def _leased(claim: Claim, owner: UUID) -> dict[str, Any]:
    return {"owner": owner, "leased_until": StoreTime(claim.lease)}


def _standing(row: RequestRecord) -> Standing:
    finished = row.state in FINISHED
    body = None if row.body is None else bytes(row.body)
    answer = Answer(row.status, row.reason, json.loads(row.headers), body) if finished else None
    left = (row.leased_until - row.now) if row.leased_until else timedelta()  # type: ignore[attr-defined]
    record = Record(row.fingerprint, row.binding, answer)
    return Standing(row.owner, finished, row.state == State.HELD, record, row.steps, left.total_seconds())
