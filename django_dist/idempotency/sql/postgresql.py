"""The plan on PostgreSQL: an advisory lock on the digest for the transaction, and the look-up under it.

Where our transaction is the outermost and psycopg 3 binds on the client, BEGIN travels with the
claim and COMMIT with the record: two round trips fewer. Both go through Django's cursor, so debug
log, execute wrappers and tracing see them.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from django.db import DatabaseError, IntegrityError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import atomic

from ...exceptions import RequestInProgress
from ..base import Answer, Claim, Record
from .base import FOUND, TABLE, Plan, columns, stored, to_record

# lock. In a statement of its own before the look-up: a statement sees what was committed when it
# began, and one that locks and looks up would miss a holder that commits in between.
TRY_LOCK = "SELECT pg_try_advisory_xact_lock(%s)"
# digest
LOOK_UP = f"UPDATE {TABLE} SET replays = replays + 1 WHERE digest = %s RETURNING expires_at > now(), {FOUND}"
DELETE = f"DELETE FROM {TABLE} WHERE digest = %s"
# milliseconds, lock. The session's own lock_timeout is kept in a variable of ours and put back.
WAIT = """
SELECT set_config('django_dist.lock_timeout', current_setting('lock_timeout'), true),
       set_config('lock_timeout', %s, true)"""
LOCK = "SELECT pg_advisory_xact_lock(%s)"
RESTORE = """
SELECT set_config('lock_timeout', current_setting('django_dist.lock_timeout'), true),
       current_setting('transaction_isolation')"""
# the values of columns()
INSERT = f"""
INSERT INTO {TABLE} (digest, fingerprint, binding, scope, view, state, status, reason, headers, body,
  replays, created_at, expires_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 0, clock_timestamp(),
  clock_timestamp() + make_interval(secs => %s))"""


class PostgreSQLPlan(Plan):
    """BEGIN, lock and look up, the view, insert, COMMIT."""

    def claim(self, connection: BaseDatabaseWrapper, claim: Claim, *, joined: bool) -> Record | None:
        """See Plan.claim()."""
        parameters = [_lock(claim), stored(connection, claim.digest)]
        with connection.cursor() as cursor:
            if joined and _joins(connection):
                with _own_begin(connection):
                    cursor.execute(f"BEGIN; {TRY_LOCK}; {LOOK_UP}", parameters)
                cursor.nextset()
                (free,) = cursor.fetchone()
                cursor.nextset()
            else:
                cursor.execute(TRY_LOCK, parameters[:1])
                (free,) = cursor.fetchone()
                cursor.execute(LOOK_UP, parameters[1:])
            row = cursor.fetchone()
            if row is None and not free:
                self._wait(connection, claim)
                # What was done meanwhile shows only to a new statement.
                cursor.execute(LOOK_UP, parameters[1:])
                row = cursor.fetchone()
            if row is not None and not row[0]:
                cursor.execute(DELETE, parameters[1:])
                row = None
        return None if row is None else to_record(row[1:])

    def _wait(self, connection: BaseDatabaseWrapper, claim: Claim) -> None:
        if claim.wait <= 0:
            raise RequestInProgress("the first request with this key still runs", retry_after=1)
        # A savepoint: the time-out is an error, which would end a transaction that is not ours alone.
        with atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute(WAIT, [f"{max(1, round(claim.wait * 1000))}ms"])
            cursor.execute(LOCK, [_lock(claim)])
            cursor.execute(RESTORE)
            _, isolation = cursor.fetchone()
        if isolation != "read committed":
            # This transaction will never see what the other has done; the next one will.
            raise RequestInProgress("the first request with this key has just ended", retry_after=0)

    def record(self, connection: BaseDatabaseWrapper, claim: Claim, answer: Answer, *, joined: bool) -> None:
        """See Plan.record()."""
        commit = "; COMMIT" if joined and _joins(connection) else ""
        with connection.cursor() as cursor:
            cursor.execute(INSERT + commit, columns(connection, claim, answer))

    def is_duplicate(self, error: DatabaseError) -> bool:
        """See Plan.is_duplicate()."""
        diag = getattr(error.__cause__, "diag", None)
        return isinstance(error, IntegrityError) and getattr(diag, "table_name", None) == TABLE

    def is_busy(self, error: DatabaseError) -> bool:
        """Return whether the lock was not had in time."""
        return isinstance(error.__cause__, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected)


def _lock(claim: Claim) -> int:
    """Return the lock of a digest; two digests that share one only wait for each other."""
    return int.from_bytes(claim.digest.bytes[:8], "big", signed=True)


def _joins(connection: BaseDatabaseWrapper) -> bool:
    """Return whether several statements may travel together, and BEGIN needs no options."""
    raw = connection.connection
    plain = raw.isolation_level is None and raw.read_only is None and raw.deferrable is None
    return plain and not connection.features.uses_server_side_binding  # type: ignore[attr-defined]


@contextmanager
def _own_begin(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Keep psycopg from sending BEGIN before a statement that brings its own.

    psycopg changes autocommit between transactions only, so the way back is its private field: a
    view must see autocommit off, else Django opens server-side cursors WITH HOLD, which
    select_for_update() refuses.
    """
    connection.connection.autocommit = True
    try:
        yield
    finally:
        connection.connection._autocommit = False


plan = PostgreSQLPlan()
