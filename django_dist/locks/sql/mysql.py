"""The statements of locks on MariaDB and MySQL."""

from typing import Any

from django.db import DatabaseError
from django.db.backends.utils import CursorWrapper

from ...idempotency.sql.mysql import BUSY
from ..base import Tried
from .base import TABLE, Plan

NOW = "UTC_TIMESTAMP(6)"
MICROS = f"TIMESTAMPDIFF(MICROSECOND, '1970-01-01', {NOW})"
AHEAD = f"{NOW} + INTERVAL %s SECOND"
SINCE = f"TIMESTAMPDIFF(MICROSECOND, {{}}, {NOW}) / 1e6"
FREE = f"owner IS NULL OR expires_at <= {NOW}"
REFUSED = 1 << 62
# digest, name, owner, ttl, owner, owner, owner, ttl. MySQL has no RETURNING, so what comes of it is told as
# the last inserted id: the fence, or REFUSED and the microseconds that the lease of another has left. Values
# are set from left to right: once the owner is set, it tells who has the row.
ACQUIRE = f"""
INSERT INTO {TABLE} (digest, name, owner, fence, taken_at, expires_at)
VALUES (%s, %s, %s, LAST_INSERT_ID({MICROS}), {NOW}, {AHEAD})
ON DUPLICATE KEY UPDATE
  fence = CASE
    WHEN owner = %s THEN LAST_INSERT_ID(fence)
    WHEN {FREE} THEN LAST_INSERT_ID(GREATEST(fence + 1, {MICROS}))
    ELSE fence + 0 * LAST_INSERT_ID({REFUSED} + TIMESTAMPDIFF(MICROSECOND, {NOW}, expires_at)) END,
  taken_at = IF({FREE}, {NOW}, taken_at),
  owner = IF({FREE}, %s, owner),
  expires_at = IF(owner = %s, {AHEAD}, expires_at)"""


class MySQLPlan(Plan):
    """One statement each."""

    now, micros, ahead, since = NOW, MICROS, AHEAD, SINCE
    purge = f"DELETE FROM {TABLE} WHERE {{condition}} LIMIT %s"

    def acquire(self, cursor: CursorWrapper, digest: Any, name: bytes, owner: str, ttl: float) -> Tried:
        """See Plan.acquire()."""
        cursor.execute(ACQUIRE, [digest, name, owner, ttl, owner, owner, owner, ttl])
        told = int(cursor.lastrowid)
        return Tried(told) if told < REFUSED else Tried(None, (told - REFUSED) / 1e6)

    def is_busy(self, error: DatabaseError) -> bool:
        """Return whether the row was not had in time, or was given up to end a deadlock."""
        return bool(error.args) and error.args[0] in BUSY


plan = MySQLPlan()
