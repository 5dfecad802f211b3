"""Advisory locks of PostgreSQL: in a transaction they are its own, else each has one on a connection that it keeps.

Not safe for what lies outside of the database when a session outlives its process unseen: give keepalive settings.
"""

import hashlib
import os
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import ClassVar, Final

from django.db import OperationalError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from ..exceptions import BackendUnavailable, InvalidBackend
from ..idempotency.digests import digest_of
from .advisory import Beside, Held, Inside
from .aside import Aside
from .base import MOST_HOLDERS, Grant, Holder, LockBackend, Tried
from .database import LOST
from .line import Waiter
from .moment import moment
from .sql import advisory as sql
from .transactions import is_open
from .waiting import asked_twice

LONGEST_TTL_S: Final = 2_000_000.0  # idle_in_transaction_session_timeout counts milliseconds in 31 bits
MOST_KNOWN: Final = 10_000  # names that a process remembers to have registered
REFUSED: Final = ("55P03", "40P01")  # lock_timeout is over; a deadlock


class AdvisoryLocks(LockBackend):
    """Hold locks by sessions of ``database``, an alias of DATABASES on PostgreSQL; safe behind a transaction pooler.

    In the outermost atomic() the lock is the transaction's own: one round trip to acquire, none to release, and it ends
    with the COMMIT or ROLLBACK. Elsewhere, a connection is held for as long as the lock is, in a transaction that the
    server ends with the lease. Who waits stands in a queue of the server.
    """

    thread_sensitive: ClassVar[bool] = True

    def __init__(self, *, alias: str, database: str = "default") -> None:
        super().__init__(alias=alias)
        if database not in connections.settings or connections[database].vendor != "postgresql":
            raise InvalidBackend(f"DIST_LOCKS[{alias!r}]: database {database!r} must be an alias of a PostgreSQL")
        self.database = database
        self._aside = Aside(database)
        self._held: dict[tuple[int, str, str], Held] = {}  # by process, name, owner
        self._freed: deque[tuple[str, int | None]] = deque(maxlen=1000)
        self._known: set[str] = set()
        self._started = ""  # when the server did

    def try_acquire(self, name: str, owner: str, ttl: float) -> Tried:
        """See LockBackend.try_acquire()."""
        return self._acquire(name, owner, ttl, 0.0)

    def acquire(self, name: str, owner: str, ttl: float, wait: float) -> Grant | None:
        """See LockBackend.acquire(); the first in the line of this process waits in the queue of the server."""
        waiter, deadline = Waiter(owner, ttl), moment() + wait
        with self.line.place(name, waiter):
            while True:
                left = max(0.0, deadline - moment())
                if waiter.first:
                    grant = self._granted(name, owner, ttl, 0.0)
                    if grant is not None or not left:
                        return grant
                    return self._granted(name, owner, ttl, left)
                if not left:
                    return None
                waiter.sleep(left)

    def _granted(self, name: str, owner: str, ttl: float, wait: float) -> Grant | None:
        sent = moment()
        if wait:
            tried = asked_twice(lambda: self._acquire(name, owner, ttl, wait))
        else:
            tried = asked_twice(lambda: self.try_acquire(name, owner, ttl))
        if tried.fence is not None and wait and not tried.joined:
            sent = moment()  # its lease began when it was had, and begins anew
            if not self.extend(name, owner, tried.fence, ttl):
                raise BackendUnavailable(f"the session that was granted {name!r} is lost")
        return tried.grant(sent, ttl)

    def release(self, name: str, owner: str, fence: int | None) -> bool:
        """See LockBackend.release(); a lock of a transaction ends with it."""
        held = self._held.pop((os.getpid(), name, owner), None)
        if held is None:
            return (name, fence) in self._freed
        if freed := held.free():
            self._freed.append((name, held.fence))
        return freed

    def extend(self, name: str, owner: str, fence: int, ttl: float) -> bool:
        """See LockBackend.extend(); a lock of a transaction lasts as long as that."""
        held = self._held.get((os.getpid(), name, owner))
        return held is not None and held.fence == fence and held.lasts(ttl)

    def check(self, name: str, owner: str, fence: int) -> bool:
        """See LockBackend.check(); the lease begins anew."""
        held = self._held.get((os.getpid(), name, owner))
        return held is not None and held.fence == fence and held.lasts()

    def holders(self) -> list[Holder]:
        """See LockBackend.holders(): those whose name was once locked outside of a transaction. No fence is known."""
        with self._alone() as cursor:
            cursor.execute(sql.HOLDERS, [MOST_HOLDERS])
            rows = cursor.fetchall()
        return [
            Holder(bytes(name).decode(), owner or session, None, age, float("inf") if left is None else left, waiting)
            for name, owner, session, age, left, waiting in rows
        ]

    def break_lock(self, name: str) -> bool:
        """End the session that holds ``name``, and with it what it has not committed; return whether there was one."""
        with self._alone() as cursor:
            cursor.execute(sql.SESSIONS, [_key(name)])
            sessions = cursor.fetchall()
            for (pid,) in sessions:
                cursor.execute(sql.END, [pid])
        return bool(sessions)

    def _acquire(self, name: str, owner: str, ttl: float, wait: float) -> Tried:
        if ttl > LONGEST_TTL_S:
            raise ValueError(f"the ttl of an advisory lock is at most {LONGEST_TTL_S:.0f} seconds, not {ttl:g}")
        own, place = connections[self.database], (os.getpid(), name, owner)
        if (held := self._held.get(place)) is not None:  # the repeat of a call whose answer was lost
            if held.lasts(ttl):
                return Tried(held.fence, joined=held.inside, endless=held.inside)
            self.release(name, owner, None)
        with self._answering(own):
            # In a savepoint it would end with that.
            if is_open(own) and not own.savepoint_ids:
                found: Held | None = self._inside(own, name, wait)
            else:
                found = self._beside(name, owner, ttl, wait)
        if found is None:
            return Tried(None)
        self._held[place] = found
        return Tried(found.fence, joined=found.inside, endless=found.inside)

    def _inside(self, own: BaseDatabaseWrapper, name: str, wait: float) -> Inside | None:
        """Get it for the transaction of this thread, unless another owner has it by that."""
        mine = [held for (_, known, _), held in list(self._held.items()) if known == name]
        if any(isinstance(held, Inside) and held.connection is own and held.lasts() for held in mine):
            with own.cursor() as cursor:
                cursor.execute(sql.OWN, [_key(name)])
                if cursor.fetchone() is not None:
                    return None
        fence = self._had(own, name, wait)
        return None if fence is None else Inside(own, fence)

    def _beside(self, name: str, owner: str, ttl: float, wait: float) -> Beside | None:
        """Get it for a transaction that ends with its lease."""
        with ExitStack() as stack:
            connection = stack.enter_context(self._aside.connection())
            self._register(connection, name)
            connection.set_autocommit(False)
            fence = self._had(connection, name, wait)
            found = None if fence is None else Beside(connection, owner, fence, ttl)
            if found is not None and found.lasts():
                found.keep(stack.pop_all())
                return found
            connection.rollback()
            connection.set_autocommit(True)
        return None

    def _had(self, connection: BaseDatabaseWrapper, name: str, wait: float) -> int | None:
        """Return the fence of a grant to the transaction of ``connection``."""
        with connection.cursor() as cursor:
            if wait:
                return self._had_in_time(connection, cursor, name, wait)
            cursor.execute(sql.TRY, [_key(name)])
            row = cursor.fetchone()
            return None if row is None else self._fence(cursor, *row)

    def _had_in_time(
        self, connection: BaseDatabaseWrapper, cursor: CursorWrapper, name: str, wait: float
    ) -> int | None:
        try:
            with transaction.atomic(using=self.database) if connection is connections[self.database] else nullcontext():
                cursor.execute(sql.HURRY, [f"{max(1, round(wait * 1000))}ms"])
                before = cursor.fetchone()[0]
                cursor.execute(sql.WAIT, [before, _key(name)])
                row = cursor.fetchone()
        except OperationalError as error:
            if getattr(error.__cause__, "sqlstate", None) in REFUSED:
                return None
            raise
        return self._fence(cursor, row[0], row[1])

    def _fence(self, cursor: CursorWrapper, fence: int, started: str) -> int:
        """Return ``fence``, or another one where the server was started since this process took the last."""
        if started != self._started:
            cursor.execute(sql.BUMP)
            cursor.execute(sql.NEXT)
            (fence,) = cursor.fetchone()
            self._started = started
        return fence

    def _register(self, connection: BaseDatabaseWrapper, name: str) -> None:
        """Note the name, for the list of holders: a key tells none."""
        if name not in self._known:
            with connection.cursor() as cursor:
                cursor.execute(sql.REGISTER, [digest_of(["advisory", name]), name.encode()])
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known.add(name)

    @contextmanager
    def _alone(self) -> Iterator[CursorWrapper]:
        """Give a cursor of a connection in autocommit, whatever transaction this thread is in."""
        with (
            self._answering(connections[self.database]),
            self._aside.connection() as connection,
            connection.cursor() as cursor,
        ):
            yield cursor

    @contextmanager
    def _answering(self, own: BaseDatabaseWrapper) -> Iterator[None]:
        try:
            yield
        except LOST as error:
            if not own.in_atomic_block:
                own.close_if_unusable_or_obsolete()
            raise BackendUnavailable(f"database {self.database!r} did not answer for a lock: {error}") from error


def _key(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
