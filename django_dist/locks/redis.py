"""Locks in Redis or Valkey, through an alias of CACHES made with django-redis: one script a call.

Not safe where Redis loses what it has acknowledged, by a restart without its data, a failover or an eviction: a lock
that is held is then granted to another, too. Its fence is greater, so that a resource can refuse the first.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from ..exceptions import BackendUnavailable
from ..idempotency.redis_scripts import Script
from .base import Holder, LockBackend, Tried
from .line import AsyncWaiter, Waiter
from .redis_scripts import ACQUIRE, BREAK, CHECK, EXTEND, HOLDERS, PASS, QUEUE, RELEASE
from .waiting import aasked_twice, asked_twice

try:
    from redis.exceptions import RedisError

    from ..redis_client import arun, require_django_redis, run
    from .wake import Ear
except ImportError as error:
    raise ImportError(f"install django-dist[redis] ({error})") from error

Value = bytes | int
Call = tuple[Script, tuple[Value, ...]]
#: Seconds between two tries of one who will be told; he is not, where the line that tells is lost just then.
TOLD_S: Final = 2.5
UNTOLD_S: Final = 0.08  # and of one who will not be


class RedisLocks(LockBackend):
    """Keep locks in the Redis of ``connection``, an alias of CACHES made with django-redis.

    The processes that wait for a lock come first come first served, and are woken by its release. Keys, and the
    channels that wake, begin with ``prefix``.
    """

    def __init__(self, *, alias: str, connection: str = "default", prefix: str = "dist:lock:") -> None:
        super().__init__(alias=alias)
        require_django_redis(connection, f"DIST_LOCKS[{alias!r}]")
        self.connection, self._prefix = connection, prefix.encode()
        self._channel = self._prefix + b"wake:"
        self._ear = Ear(connection, self._channel, self._told)

    def try_acquire(self, name: str, owner: str, ttl: float) -> Tried:
        """See LockBackend.try_acquire()."""
        return _tried(self._run(self._acquire(name, owner, ttl)))

    async def atry_acquire(self, name: str, owner: str, ttl: float) -> Tried:
        """See try_acquire()."""
        return _tried(await self._arun(self._acquire(name, owner, ttl)))

    def release(self, name: str, owner: str, fence: int | None) -> bool:
        """See LockBackend.release()."""
        return bool(self._run(self._release(name, owner, fence)))

    async def arelease(self, name: str, owner: str, fence: int | None) -> bool:
        """See release()."""
        return bool(await self._arun(self._release(name, owner, fence)))

    def extend(self, name: str, owner: str, fence: int, ttl: float) -> bool:
        """See LockBackend.extend()."""
        return bool(self._run(self._extend(name, owner, fence, ttl)))

    async def aextend(self, name: str, owner: str, fence: int, ttl: float) -> bool:
        """See extend()."""
        return bool(await self._arun(self._extend(name, owner, fence, ttl)))

    def check(self, name: str, owner: str, fence: int) -> bool:
        """See LockBackend.check()."""
        return bool(self._run(self._call(CHECK, name, owner.encode(), fence)))

    async def acheck(self, name: str, owner: str, fence: int) -> bool:
        """See check()."""
        return bool(await self._arun(self._call(CHECK, name, owner.encode(), fence)))

    def holders(self) -> list[Holder]:
        """See LockBackend.holders(); of those who wait, it tells how many processes they are of."""
        found = self._run((HOLDERS, (1, self._held, self._prefix + b"lock:", self._prefix + b"queue:")))
        return sorted(
            Holder(name.decode(), owner.decode(), int(fence), age / 1e6, left / 1e6, waiting)
            for name, owner, fence, age, left, waiting in found
        )

    def break_lock(self, name: str) -> bool:
        """See LockBackend.break_lock()."""
        return bool(self._run(self._call(BREAK, name, b"", name.encode(), self._channel)))

    def pause(self, name: str, seconds: float, most: float, waiter: Waiter) -> None:
        """See LockBackend.pause(): in the queue of the lock, and woken by Redis."""
        told = self._ear.open()
        rest = _seconds(asked_twice(lambda: self._run(self._queue(name)))) if told else UNTOLD_S
        waiter.sleep(min(rest, most, TOLD_S))

    async def apause(self, name: str, seconds: float, most: float, waiter: AsyncWaiter) -> None:
        """See pause()."""
        told = self._ear.open()
        rest = _seconds(await aasked_twice(lambda: self._arun(self._queue(name)))) if told else UNTOLD_S
        await waiter.asleep(min(rest, most, TOLD_S))

    def _told(self, name: bytes) -> None:
        """Wake the first in this process who waits for the lock that was freed, or let another process have it."""
        if not self.line.freed(name.decode()):
            with suppress(BackendUnavailable):  # its turn is soon over
                self._run(self._call(PASS, name.decode(), self._ear.process, name, self._channel))

    def _acquire(self, name: str, owner: str, ttl: float) -> Call:
        return self._call(ACQUIRE, name, owner.encode(), name.encode(), _micros(ttl), self._ear.process)

    def _release(self, name: str, owner: str, fence: int | None) -> Call:
        return self._call(RELEASE, name, owner.encode(), name.encode(), self._channel, fence or 0)

    def _extend(self, name: str, owner: str, fence: int, ttl: float) -> Call:
        return self._call(EXTEND, name, owner.encode(), name.encode(), _micros(ttl), fence)

    def _queue(self, name: str) -> Call:
        return self._call(QUEUE, name, self._ear.process)

    @property
    def _held(self) -> bytes:
        return self._prefix + b"held"

    def _call(self, script: Script, name: str, *values: Value) -> Call:
        lock, queue = (self._prefix + kind + name.encode() for kind in (b"lock:", b"queue:"))
        return script, (3, lock, queue, self._held, *values)

    def _run(self, call: Call) -> Any:
        with self._answering():
            return run(*call, self.connection)

    async def _arun(self, call: Call) -> Any:
        with self._answering():
            return await arun(*call, self.connection)

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except RedisError as error:
            raise BackendUnavailable(
                f"Redis of CACHES[{self.connection!r}] did not answer for a lock: {error}"
            ) from error


def _tried(answer: list[int]) -> Tried:
    fence, rest = answer
    return Tried(fence or None, _seconds(rest))


def _seconds(micros: int) -> float:
    return micros / 1e6


def _micros(seconds: float) -> int:
    return max(1, round(seconds * 1e6))
