"""Locks in the memory of this process, for the tests of an application. Not safe between processes."""

import threading
import time
from dataclasses import dataclass

from .base import MOST_HOLDERS, Holder, LockBackend, Tried
from .moment import moment


@dataclass
class _Held:
    fence: int
    owner: str | None
    since: float
    until: float

    def by(self, owner: str, fence: int) -> bool:
        return self.owner == owner and self.fence == fence and self.until > moment()


class MemoryLocks(LockBackend):
    """Keep locks in this process, as long as it lives."""

    per_process = True

    def __init__(self, *, alias: str) -> None:
        super().__init__(alias=alias)
        self._changing = threading.Lock()
        self._locks: dict[str, _Held] = {}

    def try_acquire(self, name: str, owner: str, ttl: float) -> Tried:
        """See LockBackend.try_acquire()."""
        with self._changing:
            now, found = moment(), self._locks.get(name)
            if found is None:
                found = self._locks[name] = _Held(time.time_ns() // 1000, owner, now, now + ttl)
            elif found.owner is None or found.until <= now:
                found.fence, found.owner, found.since = found.fence + 1, owner, now
            elif found.owner != owner:
                return Tried(None, found.until - now)
            found.until = now + ttl
            return Tried(found.fence)

    def release(self, name: str, owner: str, fence: int | None) -> bool:
        """See LockBackend.release()."""
        with self._changing:
            found = self._locks.get(name)
            mine = found is not None and (found.owner == owner if fence is None else found.fence == fence)
            if found is not None and mine:
                found.owner = None
            return mine

    def extend(self, name: str, owner: str, fence: int, ttl: float) -> bool:
        """See LockBackend.extend()."""
        with self._changing:
            found = self._locks.get(name)
            if found is None or not found.by(owner, fence):
                return False
            found.until = moment() + ttl
            return True

    def check(self, name: str, owner: str, fence: int) -> bool:
        """See LockBackend.check()."""
        with self._changing:
            found = self._locks.get(name)
            return found is not None and found.by(owner, fence)

    def holders(self) -> list[Holder]:
        """See LockBackend.holders()."""
        with self._changing:
            now = moment()
            return [
                Holder(name, found.owner, found.fence, now - found.since, found.until - now)
                for name, found in sorted(self._locks.items())
                if found.owner is not None and found.until > now
            ][:MOST_HOLDERS]

    def break_lock(self, name: str) -> bool:
        """See LockBackend.break_lock()."""
        with self._changing:
            found = self._locks.get(name)
            if found is None or found.owner is None or found.until <= moment():
                return False
            found.fence, found.owner = found.fence + 1, None
            return True
