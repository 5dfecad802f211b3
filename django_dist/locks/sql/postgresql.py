"""The statements of locks on PostgreSQL. Not now(), which stands still in a transaction."""

from typing import Any

from django.db.backends.utils import CursorWrapper

from ...prepared import PreparedStatements
from ..base import Tried
from .base import TABLE, Plan

NOW = "clock_timestamp()"
MICROS = f"(EXTRACT(EPOCH FROM {NOW}) * 1000000)::bigint"
AHEAD = f"{NOW} + make_interval(secs => %s)"
SINCE = f"EXTRACT(EPOCH FROM {NOW} - {{}})::float8"
# digest, name, owner, ttl, digest. Refused, it tells the rest of the lease in the same round trip.
ACQUIRE = f"""
WITH had AS (
  INSERT INTO {TABLE} AS held (digest, name, owner, fence, taken_at, expires_at)
  VALUES (%s, %s, %s, {MICROS}, {NOW}, {AHEAD})
  ON CONFLICT (digest) DO UPDATE SET
    fence = CASE WHEN held.owner = excluded.owner THEN held.fence ELSE GREATEST(held.fence + 1, excluded.fence) END,
    taken_at = CASE WHEN held.owner = excluded.owner THEN held.taken_at ELSE excluded.taken_at END,
    owner = excluded.owner, expires_at = excluded.expires_at
  WHERE held.owner IS NULL OR held.owner = excluded.owner OR held.expires_at <= {NOW}
  RETURNING fence)
SELECT fence, 0 FROM had
UNION ALL
SELECT NULL, -({SINCE.format("expires_at")}) FROM {TABLE} WHERE digest = %s AND NOT EXISTS (SELECT 1 FROM had)"""


class PostgreSQLPlan(Plan):
    """One statement each."""

    now, micros, ahead, since = NOW, MICROS, AHEAD, SINCE
    # For the transaction of this one statement: its COMMIT does not wait for the disk.
    unhurried = " AND set_config('synchronous_commit', 'off', true) IS NOT NULL"
    purge = (
        f"DELETE FROM {TABLE} WHERE digest = ANY(ARRAY("
        f"SELECT digest FROM {TABLE} WHERE {{condition}} LIMIT %s FOR UPDATE SKIP LOCKED))"
    )

    def __init__(self) -> None:
        super().__init__()
        # A table of one lock is as common as any, and the plan is made anew from time to time.
        self._prepared = PreparedStatements(
            TABLE, of_any_size=True, acquire=ACQUIRE, release=self.release, extend=self.extend
        )

    def run(self, cursor: CursorWrapper, sql: str, values: list[Any]) -> int:
        """See Plan.run(); it is prepared."""
        self._prepared.row(cursor, sql, values)
        found: int = cursor.rowcount
        return found

    def acquire(self, cursor: CursorWrapper, digest: Any, name: bytes, owner: str, ttl: float) -> Tried:
        """See Plan.acquire(). No row: the one that is in the way came after this statement began."""
        fence, left = self._prepared.row(cursor, ACQUIRE, [digest, name, owner, ttl, digest]) or (None, 0.0)
        return Tried(fence, max(0.0, left))


plan = PostgreSQLPlan()
