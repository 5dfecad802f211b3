"""An advisory lock that is had: by the transaction of a thread, or by one on a connection of its own."""

import threading
from contextlib import ExitStack
from typing import Protocol

from django.db.backends.base.base import BaseDatabaseWrapper

from .database import LOST
from .moment import moment
from .sql import advisory as sql


class Held(Protocol):
    """What is common to both."""

    fence: int
    inside: bool  # of the thread's own transaction

    def lasts(self, ttl: float | None = None) -> bool:
        """Return whether it is still had, and begin its lease anew, for ``ttl`` seconds where given."""

    def free(self) -> bool:
        """Let it go; return whether it was still had."""


class Inside:
    """Had by the transaction of a thread, and by nobody else until that has ended."""

    inside = True

    def __init__(self, connection: BaseDatabaseWrapper, fence: int) -> None:
        self.connection, self.fence = connection, fence
        self._session = connection.connection

    def lasts(self, ttl: float | None = None) -> bool:
        """See Held.lasts(); it has no lease."""
        mine = self.connection.connection is self._session and not self.connection.closed_in_transaction
        return mine and (self.connection.in_atomic_block or not self.connection.autocommit)

    def free(self) -> bool:
        """See Held.free(); it ends with the transaction."""
        return self.lasts()


class Beside:
    """Had by a transaction on a connection that does nothing else; the server ends it with the lease."""

    inside = False

    def __init__(self, connection: BaseDatabaseWrapper, owner: str, fence: int, ttl: float) -> None:
        self._connection, self._owner, self.fence = connection, owner, fence
        self._until = moment() + ttl
        self._using = threading.Lock()
        self._open = True
        self._lent = ExitStack()

    def keep(self, lent: ExitStack) -> None:
        """Give the connection back, by ``lent``, when the lock is freed."""
        self._lent = lent

    def lasts(self, ttl: float | None = None) -> bool:
        """See Held.lasts()."""
        with self._using:
            now = moment()
            if not self._open or now >= self._until:
                return False
            until = self._until if ttl is None else now + ttl
            try:
                with self._connection.cursor() as cursor:
                    cursor.execute(sql.HOLD, [self._owner, f"{max(1, round((until - now) * 1000))}ms"])
            except LOST:
                return False
            self._until = until
            return True

    def free(self) -> bool:
        """See Held.free()."""
        with self._using:
            was_open, self._open = self._open, False
            try:
                with self._lent:  # closes the connection where this fails
                    self._connection.commit()
                    self._connection.set_autocommit(True)
            except LOST:
                return False
            return was_open
