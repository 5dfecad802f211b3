"""The statements of locks on SQLite, whose clock is this machine's, and which has one writer at a time."""

import time
from typing import Any

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from ..base import Tried
from .base import TABLE, Plan

NOW = "strftime('%%Y-%%m-%%d %%H:%%M:%%f000', 'now')"
AHEAD = "strftime('%%Y-%%m-%%d %%H:%%M:%%f000', 'now', %s || ' seconds')"
SINCE = "((julianday('now') - julianday({})) * 86400)"
MICROS = "(CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) * 1000)"
# digest, name, owner, microseconds, ttl
ACQUIRE = f"""
INSERT INTO {TABLE} AS held (digest, name, owner, fence, taken_at, expires_at)
VALUES (%s, %s, %s, %s, {NOW}, {AHEAD})
ON CONFLICT (digest) DO UPDATE SET
  fence = CASE WHEN held.owner = excluded.owner THEN held.fence ELSE max(held.fence + 1, excluded.fence) END,
  taken_at = CASE WHEN held.owner = excluded.owner THEN held.taken_at ELSE excluded.taken_at END,
  owner = excluded.owner, expires_at = excluded.expires_at
WHERE held.owner IS NULL OR held.owner = excluded.owner OR held.expires_at <= {NOW}
RETURNING fence"""
#: Milliseconds that a try waits for another's write. No longer: it may hold the very lock in its transaction.
PATIENCE_MS = 100


class SQLitePlan(Plan):
    """Two statements where another holds the lock, else one."""

    now, micros, ahead, since = NOW, MICROS, AHEAD, SINCE
    purge = f"DELETE FROM {TABLE} WHERE digest IN (SELECT digest FROM {TABLE} WHERE {{condition}} LIMIT %s)"

    def acquire(self, cursor: CursorWrapper, digest: Any, name: bytes, owner: str, ttl: float) -> Tried:
        """See Plan.acquire().

        The fence is of the full clock, not SQLite's milliseconds: a transaction that is rolled back takes its
        fence with it, and the next one must be another all the same.
        """
        usual = cursor.execute("PRAGMA busy_timeout").fetchone()[0]
        cursor.execute(f"PRAGMA busy_timeout = {min(usual, PATIENCE_MS)}")
        try:
            cursor.execute(ACQUIRE, [digest, name, owner, time.time_ns() // 1000, ttl])
            rows = cursor.fetchall()  # to the end: a statement left open would hold up a COMMIT
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {usual}")
        if rows:
            return Tried(rows[0][0])
        cursor.execute(self.left, [digest])
        (left,) = cursor.fetchone() or (0.0,)
        return Tried(None, max(0.0, left))

    def is_busy(self, error: DatabaseError) -> bool:
        """Return whether another connection writes just now."""
        return "locked" in str(error) or "busy" in str(error)

    def serves(self, connection: BaseDatabaseWrapper) -> bool:
        """See Plan.serves(). In a transaction it must: that may keep all others from writing until it ends."""
        inside = connection.in_atomic_block and not connection.closed_in_transaction
        return inside or super().serves(connection)


plan = SQLitePlan()
