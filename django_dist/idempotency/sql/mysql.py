"""The plan on MariaDB and MySQL: a row of one's own, inserted first and unseen by others, is the claim."""

import math
from typing import Any

from django.db import DatabaseError, IntegrityError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from ...exceptions import InvalidBackend, UnsupportedView
from ..base import Answer, Claim, Record
from .base import FOUND, RUNNING, TABLE, Plan, columns, stored, to_record

NOW = "UTC_TIMESTAMP(6)"
BODY = "`body`"  # a reserved word under sql_mode ORACLE; quoted so in every mode
# digest, fingerprint, binding. ON DUPLICATE KEY takes the exclusive lock at once: a plain INSERT
# that fails keeps a shared one, and two of these that go on to write are a deadlock.
CLAIM = f"""
INSERT {{hint}} INTO {TABLE} (digest, fingerprint, binding, scope, view, state, status, reason, headers, {BODY},
  replays, created_at, expires_at)
VALUES (%s, %s, %s, '', '', {RUNNING}, 0, '', '[]', NULL, 0, {NOW}, {NOW})
ON DUPLICATE KEY UPDATE replays = replays + 1"""
# Its own row is the only one that runs and is leased to nobody.
LIVE = f"(state > {RUNNING} OR leased_until IS NOT NULL) AND expires_at > {NOW}, {FOUND.replace('body', BODY)}"
# digest; FOR UPDATE reads what is committed now, whatever this transaction saw before
LOOK_UP = f"SELECT {LIVE} FROM {TABLE} WHERE digest = %s FOR UPDATE"
# the values of columns() without digest, then digest
FINISH = f"""
UPDATE {TABLE} SET fingerprint = %s, binding = %s, scope = %s, view = %s, state = %s, status = %s, reason = %s,
  headers = %s, {BODY} = %s, replays = 0, created_at = {NOW}, expires_at = {NOW} + INTERVAL %s SECOND
WHERE digest = %s"""
LOCK_WAIT_TIMEOUT, DEADLOCK, CHANGED_SINCE_READ, INTERRUPTED, STATEMENT_TIMEOUT = 1205, 1213, 1020, 1317, 1969
NULL_REFUSED = 1048
BUSY = frozenset({LOCK_WAIT_TIMEOUT, DEADLOCK, CHANGED_SINCE_READ, INTERRUPTED, STATEMENT_TIMEOUT})


class MySQLPlan(Plan):
    """BEGIN, insert the claim, the view, update it with the answer, COMMIT.

    The wait is given to the one statement that waits (MariaDB: SET STATEMENT; MySQL: the SET_VAR
    hint), so nothing is left set for the view. It is in whole seconds, rounded up; 0 is none on
    MariaDB and one second on MySQL.
    """

    def claim(self, cursor: CursorWrapper, claim: Claim, *, joined: bool) -> Record | None:
        """See Plan.claim()."""
        try:
            row = self._claim(cursor, claim)
        except IntegrityError as error:
            if error.args[:1] != (NULL_REFUSED,):
                raise
            alias = cursor.db.alias
            raise InvalidBackend(
                f"database {alias!r} has sql_mode EMPTY_STRING_IS_NULL and cannot keep an empty text or answer: "
                f"set 'sql_mode' in OPTIONS of DATABASES[{alias!r}] without it"
            ) from error
        return to_record(row[1:]) if row[0] else None

    def _claim(self, cursor: CursorWrapper, claim: Claim) -> tuple[Any, ...]:
        digests = [stored(cursor.db, d) for d in (claim.digest, claim.fingerprint, claim.binding)]
        if cursor.db.mysql_is_mariadb:
            setting = f"SET STATEMENT innodb_lock_wait_timeout={math.ceil(claim.wait)} FOR "
            cursor.execute(f"{setting}{CLAIM.format(hint='')} RETURNING {LIVE}", digests)
        else:
            hint = f"/*+ SET_VAR(innodb_lock_wait_timeout={max(1, math.ceil(claim.wait))}) */"
            cursor.execute(CLAIM.format(hint=hint), digests)
            cursor.execute(LOOK_UP, digests[:1])
        row: tuple[Any, ...] = cursor.fetchone()
        return row

    def record(self, cursor: CursorWrapper, claim: Claim, answer: Answer, *, joined: bool) -> None:
        """See Plan.record()."""
        digest, *rest = columns(cursor.db, claim, answer)
        cursor.execute(FINISH, [*rest, digest])
        if cursor.rowcount != 1:  # found rows: the claim is gone, as after a ROLLBACK of the view's own
            raise UnsupportedView(f"{claim.view} ended the transaction of its request; nothing is recorded")

    def is_duplicate(self, error: DatabaseError) -> bool:
        """See Plan.is_duplicate()."""
        return isinstance(error, IntegrityError)

    def passes(self, connection: BaseDatabaseWrapper, error: DatabaseError, left: float) -> bool:
        """See Plan.passes(); when the first is rolled back, those who wait for its row clash over the gap.

        Whoever is picked to end the deadlock has lost nothing but its place.
        """
        return left > 0 and error.args[:1] == (DEADLOCK,)

    def is_lost(self, connection: BaseDatabaseWrapper) -> bool:
        """See Plan.is_lost(); asked past Django, and not by ping(), with which PyMySQL connects anew."""
        driver: Any = connection
        try:
            driver.connection.cursor().execute("DO 0")
        except (driver.Database.OperationalError, driver.Database.InterfaceError):
            return True
        return False

    def is_busy(self, error: DatabaseError) -> bool:
        """Return whether the lock was not had in time, or was given up to end a deadlock."""
        return bool(error.args) and error.args[0] in BUSY


plan = MySQLPlan()
