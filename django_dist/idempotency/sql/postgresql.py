"""The plan on PostgreSQL: an advisory lock on the digest for the transaction, and the look-up under it.

Where our transaction is the outermost and psycopg 3 binds on the client, BEGIN travels with the
claim and COMMIT with the record: two round trips fewer, and what is sent often is prepared once a
session. All goes through Django's cursor, so debug log, execute wrappers and tracing see it.
"""

from typing import Any, Final

import psycopg
from django.db import DatabaseError, IntegrityError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from django.db.transaction import atomic

from ...begin import is_to_begin, may_join, own_begin
from ...exceptions import RequestInProgress
from ...prepared import STALE, PreparedStatements
from ..base import Answer, Claim, Record
from .base import FOUND, TABLE, Plan, columns, stored, to_record

# lock. In a statement of its own before the look-up: a statement sees what was committed when it
# began, and one that locks and looks up would miss a holder that commits in between.
TRY_LOCK = "SELECT pg_try_advisory_xact_lock(%s)"
# digest. It locks no row: what is expired stays readable for all until its successor is recorded.
LOOK_UP = f"SELECT expires_at > now(), {FOUND} FROM {TABLE} WHERE digest = %s"
# digest
COUNT = f"UPDATE {TABLE} SET replays = replays + 1 WHERE digest = %s"
CLEAR = f"DELETE FROM {TABLE} WHERE digest = %s"
# a time with its unit. The session's own lock_timeout is kept in a variable of ours and put back.
LIMIT = """SELECT set_config('django_dist.lock_timeout', current_setting('lock_timeout'), true),
       set_config('lock_timeout', %s, true)"""
# lock
LOCK = "SELECT pg_advisory_xact_lock(%s)"
RESTORE = """SELECT set_config('lock_timeout', current_setting('django_dist.lock_timeout'), true),
       current_setting('transaction_isolation')"""
# the values of columns()
INSERT = f"""
INSERT INTO {TABLE} (digest, fingerprint, binding, scope, view, state, status, reason, headers, body,
  replays, created_at, expires_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 0, clock_timestamp(),
  clock_timestamp() + make_interval(secs => %s))"""


#: The server is there: a time-out of the site's own (lock_timeout, statement_timeout), or a clash of two repeats,
#: or somebody discarded what was prepared.
BUSY: Final = (
    psycopg.errors.LockNotAvailable,
    psycopg.errors.DeadlockDetected,
    psycopg.errors.QueryCanceled,
    psycopg.errors.SerializationFailure,
    *STALE,
)
Statement = tuple[str, list[Any]]
BEGIN: Final[Statement] = ("BEGIN", [])
COMMIT: Final[Statement] = ("COMMIT", [])
ASYNCHRONOUS: Final[Statement] = ("SET LOCAL synchronous_commit TO off", [])
prepared: Final = PreparedStatements(TABLE, try_lock=TRY_LOCK, look_up=LOOK_UP, count=COUNT, insert=INSERT)


class PostgreSQLPlan(Plan):
    """BEGIN, lock and look up, the view, insert, COMMIT."""

    def claim(self, cursor: CursorWrapper, claim: Claim, *, joined: bool) -> Record | None:
        """See Plan.claim()."""
        digest = stored(cursor.db, claim.digest)
        statements: list[Statement] = [(TRY_LOCK, [_lock(claim)]), (LOOK_UP, [digest])]
        if joined and may_join(cursor.db) and is_to_begin(cursor.db):
            free, row = _begin(cursor, statements)
        else:
            (free,), row = _send(cursor, statements)
        if not free and not _lives(row):
            self._wait(cursor, claim)
            # What was done meanwhile shows only to a new statement.
            (row,) = _send(cursor, [(LOOK_UP, [digest])])
        if _lives(row):
            return to_record(row[1:])
        if row is not None:
            _send(cursor, [(CLEAR, [digest])])
        return None

    def count(self, cursor: CursorWrapper, claim: Claim, *, joined: bool) -> None:
        """See Plan.count(); a crash of the server may lose the last ones, so nobody waits for its disk."""
        statements: list[Statement] = [(COUNT, [stored(cursor.db, claim.digest)])]
        if joined and may_join(cursor.db):
            statements += [ASYNCHRONOUS, COMMIT]
        _send(cursor, statements)

    def _wait(self, cursor: CursorWrapper, claim: Claim) -> None:
        if claim.wait <= 0:
            raise RequestInProgress("the first request with this key still runs", retry_after=1)
        limit = f"{max(1, round(claim.wait * 1000))}ms"
        # A savepoint: the time-out is an error, which would end a transaction that is not ours alone.
        with atomic(using=cursor.db.alias):
            *_, (_, isolation) = _send(cursor, [(LIMIT, [limit]), (LOCK, [_lock(claim)]), (RESTORE, [])])
        if isolation != "read committed":
            # This transaction will never see what the other has done; the next one will.
            raise RequestInProgress("the first request with this key has just ended", retry_after=1)

    def record(self, cursor: CursorWrapper, claim: Claim, answer: Answer, *, joined: bool) -> None:
        """See Plan.record()."""
        values = columns(cursor.db, claim, answer)
        statements: list[Statement] = [(INSERT, values)]
        if joined and may_join(cursor.db):
            statements.append(COMMIT)
        _send(cursor, statements)

    def is_duplicate(self, error: DatabaseError) -> bool:
        """See Plan.is_duplicate()."""
        diag = getattr(error.__cause__, "diag", None)
        return isinstance(error, IntegrityError) and (getattr(diag, "table_name", "") or "").startswith(TABLE)

    def is_aborted(self, connection: BaseDatabaseWrapper) -> bool:
        """See Plan.is_aborted(); Django marks only what its models write."""
        raw = connection.connection
        return raw is not None and raw.pgconn.transaction_status == psycopg.pq.TransactionStatus.INERROR

    def passes(self, connection: BaseDatabaseWrapper, error: DatabaseError, left: float) -> bool:
        """See Plan.passes(); what was prepared may have been discarded."""
        session = connection.connection  # None: there is no server
        return session is not None and prepared.is_stale(session, error.__cause__)

    def is_lost(self, connection: BaseDatabaseWrapper) -> bool:
        """See Plan.is_lost(); the driver knows."""
        return bool(connection.connection.closed)

    def is_busy(self, error: DatabaseError) -> bool:
        """Return whether the lock was not had in time."""
        return isinstance(error.__cause__, BUSY)


def _begin(cursor: CursorWrapper, statements: list[Statement]) -> tuple[bool, Any]:
    """Open the transaction with a claim; return whether the lock was free, and the row that was found."""
    session = cursor.db.connection
    escort = prepared.escort(session)
    with own_begin(cursor.db):
        _, *rows, (free,), row = _send(cursor, [BEGIN, *((sql, []) for sql in escort), *statements])
    prepared.note(session, escort, rows)
    return free, row


def _send(cursor: CursorWrapper, statements: list[Statement]) -> list[Any]:
    """Run ``statements`` in one round trip, and return the first row of each, or None.

    Where the driver binds on the server (an option of Django's) it takes one statement at a time.
    """
    if cursor.db.features.uses_server_side_binding:
        return [row for sql, values in statements for row in prepared.send(cursor, [sql], values)]
    return prepared.send(
        cursor, [sql for sql, _ in statements], [value for _, values in statements for value in values]
    )


def _lives(row: Any) -> bool:
    return row is not None and row[0]


def _lock(claim: Claim) -> int:
    """Return the lock of a digest; two digests that share one only wait for each other."""
    return int.from_bytes(claim.digest.bytes[:8], "big", signed=True)


plan = PostgreSQLPlan()
