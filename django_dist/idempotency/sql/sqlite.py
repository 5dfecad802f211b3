"""The plan on SQLite: one writer at a time, so whoever has begun to write holds every digest."""

from django.db import DatabaseError, IntegrityError
from django.db.backends.utils import CursorWrapper

from ..base import Answer, Claim, Record
from .base import FOUND, TABLE, Plan, columns, stored, to_record

NOW = "strftime('%%Y-%%m-%%d %%H:%%M:%%f000', 'now')"
# digest. A write on purpose: it takes the write lock as the first statement even where the
# transaction began DEFERRED, when a later upgrade would fail at once instead of waiting.
LOOK_UP = f"UPDATE {TABLE} SET replays = replays + 1 WHERE digest = %s RETURNING expires_at > {NOW}, {FOUND}"
DELETE = f"DELETE FROM {TABLE} WHERE digest = %s"
# the values of columns()
INSERT = f"""
INSERT INTO {TABLE} (digest, fingerprint, binding, scope, view, state, status, reason, headers, body,
  replays, created_at, expires_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 0, {NOW},
  strftime('%%Y-%%m-%%d %%H:%%M:%%f000', 'now', %s || ' seconds'))"""


class SQLitePlan(Plan):
    """BEGIN IMMEDIATE, look up, the view, insert, COMMIT."""

    def claim(self, cursor: CursorWrapper, claim: Claim, *, joined: bool) -> Record | None:
        """See Plan.claim(); the wait is the connection's own ``timeout``."""
        digest = [stored(cursor.db, claim.digest)]
        cursor.execute(LOOK_UP, digest)
        rows = cursor.fetchall()  # to the end: a statement left open would hold up the COMMIT
        if rows and not rows[0][0]:
            cursor.execute(DELETE, digest)
            return None
        return to_record(rows[0][1:]) if rows else None

    def record(self, cursor: CursorWrapper, claim: Claim, answer: Answer, *, joined: bool) -> None:
        """See Plan.record()."""
        cursor.execute(INSERT, columns(cursor.db, claim, answer))

    def is_duplicate(self, error: DatabaseError) -> bool:
        """See Plan.is_duplicate()."""
        return isinstance(error, IntegrityError) and f"{TABLE}.digest" in str(error)

    def is_busy(self, error: DatabaseError) -> bool:
        """Return whether another connection kept the write lock for all of ``timeout``."""
        return "locked" in str(error) or "busy" in str(error)


plan = SQLitePlan()
