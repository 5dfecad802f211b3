"""Locks in a table: a row a name, which every process of the site sees.

Not safe where the database forgets what it has committed, such as after a fail-over to a standby that lags.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any, ClassVar

from django.db import DatabaseError, InterfaceError, InternalError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from ..exceptions import BackendUnavailable, InvalidBackend, LockTimeout
from ..idempotency.digests import digest_of
from .aside import Aside
from .base import Holder, LockBackend, Tried
from .sql import plan_for
from .sql.base import Plan
from .transactions import is_open

#: What drivers raise where the server is not there, or, InternalError, is a standby that only reads.
LOST = (OperationalError, InterfaceError, InternalError)


class DatabaseLocks(LockBackend):
    """Keep locks in ``database``, an alias of DATABASES that takes writes (never a replica).

    Outside of a transaction the thread's own connection is used. In one it is another connection, so that others
    see the lock at once, and it costs one: opened for each call, unless CONN_MAX_AGE keeps it. On SQLite, which has
    one writer at a time, a lock that is taken in a transaction is part of it, is not renewed, and does not wait.
    """

    #: Coroutines use the connection that Django's async ORM calls use: it knows of their transaction.
    thread_sensitive: ClassVar[bool] = True

    def __init__(self, *, alias: str, database: str = "default") -> None:
        super().__init__(alias=alias)
        if database not in connections.settings:
            raise InvalidBackend(
                f"DIST_LOCKS[{alias!r}]: database {database!r} is not one of {list(connections.settings)}"
            )
        self.database = database
        name = str(connections.settings[database]["NAME"])
        self.per_process = ":memory:" in name or "mode=memory" in name
        self._aside = Aside(database)

    @cached_property
    def plan(self) -> Plan:
        """The statements of this database."""
        return plan_for(connections[self.database])

    def try_acquire(self, name: str, owner: str, ttl: float) -> Tried:
        """See LockBackend.try_acquire(); what others write to the row just now is taken for a refusal."""
        try:
            with self._cursor() as cursor:
                tried = self.plan.acquire(cursor, self._digest(name), name.encode(), owner, ttl)
                if tried.fence is None and is_open(cursor.db):
                    raise LockTimeout(
                        f"{name!r} is held, and whoever holds it could not release it while this transaction keeps "
                        "SQLite's one write lock: take the lock before the transaction",
                        name=name,
                    )
                return tried._replace(joined=cursor.db.in_atomic_block)
        except BackendUnavailable as error:
            if isinstance(error.__cause__, DatabaseError) and self.plan.is_busy(error.__cause__):
                return Tried(None)
            raise

    def release(self, name: str, owner: str, fence: int | None) -> bool:
        """See LockBackend.release()."""
        with self._cursor() as cursor:
            if fence is None:
                cursor.execute(self.plan.abandon, [self._digest(name), owner])
                return bool(cursor.rowcount)
            return bool(self.plan.run(cursor, self.plan.release, [self._digest(name), fence]))

    def extend(self, name: str, owner: str, fence: int, ttl: float) -> bool:
        """See LockBackend.extend()."""
        with self._cursor() as cursor:
            return bool(self.plan.run(cursor, self.plan.extend, [ttl, self._digest(name), owner, fence]))

    def check(self, name: str, owner: str, fence: int) -> bool:
        """See LockBackend.check()."""
        with self._cursor() as cursor:
            cursor.execute(self.plan.check, [self._digest(name), owner, fence])
            return cursor.fetchone() is not None

    def holders(self) -> list[Holder]:
        """See LockBackend.holders()."""
        with self._cursor() as cursor:
            cursor.execute(self.plan.holders, [])
            rows = cursor.fetchall()
        return [
            Holder(bytes(name).decode(), owner, fence, float(age), float(left))
            for name, owner, fence, age, left in rows
        ]

    def break_lock(self, name: str) -> bool:
        """See LockBackend.break_lock()."""
        with self._cursor() as cursor:
            cursor.execute(self.plan.break_lock, [self._digest(name)])
            return bool(cursor.rowcount)

    def purge(self, batch: int) -> int:
        """See LockBackend.purge()."""
        with self._cursor() as cursor:
            cursor.execute(self.plan.purge_some, [batch])
            removed: int = cursor.rowcount
            return removed

    def expired(self) -> int:
        """See LockBackend.expired()."""
        with self._cursor() as cursor:
            cursor.execute(self.plan.expired, [])
            return int(cursor.fetchone()[0])

    def _digest(self, name: str) -> Any:
        digest = digest_of(["lock", name])
        return digest if connections[self.database].features.has_native_uuid_field else digest.hex

    @contextmanager
    def _cursor(self) -> Iterator[CursorWrapper]:
        own = connections[self.database]
        try:
            if self.plan.serves(own):
                with own.cursor() as cursor:
                    yield cursor
            else:
                with self._aside.connection() as connection, connection.cursor() as cursor:
                    yield cursor
        except LOST as error:
            self._reconnect(own)
            raise BackendUnavailable(f"database {self.database!r} did not answer for a lock: {error}") from error

    def _reconnect(self, connection: BaseDatabaseWrapper) -> None:
        """Let what comes next connect anew, where the line is lost."""
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
