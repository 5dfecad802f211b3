"""Locks in Redis or Valkey, through an alias of CACHES made with django-redis: one script a call.

Not safe where Redis loses what it has acknowledged, by a restart without its data, a failover or an eviction: a lock
that is held is then granted to another, too. Its fence is greater, so that a resource can refuse the first.
"""

from contextlib import suppress
from typing import Any, Final

from ..exceptions import BackendUnavailable
from ..idempotency.redis_scripts import Script
from .base import Grant, Holder, LockBackend, Tried
from .line import AsyncWaiter, Waiter
from .moment import SURE, moment
from .redis_scripts import ACQUIRE, BREAK, CHECK, EXTEND, HOLDERS, LEAVE, QUEUE, RELEASE
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

    Who waits for a lock comes first come first served, one of each process at a time: its release grants it to the
    next, and tells him. Keys, and the channels that tell, begin with ``prefix``.
    """

    def __init__(self, *, alias: str, connection: str = "default", prefix: str = "dist:lock:") -> None:
        super().__init__(alias=alias)
        require_django_redis(connection, f"DIST_LOCKS[{alias!r}]")
        self.connection = connection
        self._lock, self._queues, self._held, self._channel = (
            prefix.encode() + part for part in (b"lock:", b"queue:", b"held", b"wake:")
        )
        self._queued: set[str] = set()  # owners who may stand in a queue
        self._left: set[str] = set()  # and who stand there in vain: Redis did not answer when they left
        self._ear = Ear(connection, self._channel, self._told)

    def try_acquire(self, name: str, owner: str, ttl: float) -> Tried:
        """See LockBackend.try_acquire()."""
        return _tried(self._run(self._acquire_call(name, owner, ttl)))

    async def atry_acquire(self, name: str, owner: str, ttl: float) -> Tried:
        """See try_acquire()."""
        return _tried(await self._arun(self._acquire_call(name, owner, ttl)))

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
        found = self._run((HOLDERS, (1, self._held, self._lock, self._queues)))
        return sorted(
            Holder(name.decode(), owner.decode(), int(fence), age / 1e6, left / 1e6, waiting)
            for name, owner, fence, age, left, waiting in found
        )

    def purge(self, batch: int) -> int:
        """Forget the names of locks that ended unreleased; return 0, since Redis forgets the locks by itself."""
        self.holders()
        return 0

    def break_lock(self, name: str) -> bool:
        """See LockBackend.break_lock()."""
        return bool(self._run(self._call(BREAK, name, b"", name.encode(), self._channel)))

    def pause(self, name: str, seconds: float, most: float, waiter: Waiter) -> None:
        """See LockBackend.pause(): in the queue of the lock, until it is granted."""
        sent = moment()
        answer = asked_twice(lambda: self._run(self._queue(name, waiter))) if self._ear.open() else None
        waiter.sleep(_pause(answer, most))
        _note(waiter, sent, answer)

    async def apause(self, name: str, seconds: float, most: float, waiter: AsyncWaiter) -> None:
        """See pause()."""
        sent = moment()
        answer = await aasked_twice(lambda: self._arun(self._queue(name, waiter))) if self._ear.open() else None
        await waiter.asleep(_pause(answer, most))
        _note(waiter, sent, answer)

    def leave(self, name: str, waiter: Waiter) -> None:
        """See LockBackend.leave()."""
        if self._leaves(waiter):
            try:
                self._run(self._leave(name, waiter))
            except BackendUnavailable:
                self._left.add(waiter.owner)

    async def aleave(self, name: str, waiter: AsyncWaiter) -> None:
        """See leave()."""
        if self._leaves(waiter):
            try:
                await self._arun(self._leave(name, waiter))
            except BackendUnavailable:
                self._left.add(waiter.owner)

    def _leaves(self, waiter: Waiter) -> bool:
        """Return whether Redis may still have one in its queue who waits no more."""
        queued = waiter.owner in self._queued
        self._queued.discard(waiter.owner)
        return queued and waiter.grant is None

    def _told(self, message: bytes) -> None:
        """Tell him who waits of his grant. One who waits no more has got it by asking, or has left."""
        told, _, name = message.partition(b"\n")
        fence, time, owner = told.decode().split(" ", 2)
        self.line.tell(name.decode(), owner, (int(fence), int(time)))
        if owner in self._left:
            self._left.discard(owner)
            with suppress(BackendUnavailable):
                self.release(name.decode(), owner, int(fence))

    def _acquire_call(self, name: str, owner: str, ttl: float) -> Call:
        waits = (self._waiting(owner, ttl),) if owner in self._queued else ()
        return self._call(ACQUIRE, name, owner.encode(), name.encode(), _micros(ttl), *waits)

    def _release(self, name: str, owner: str, fence: int | None) -> Call:
        return self._call(RELEASE, name, owner.encode(), name.encode(), self._channel, fence or 0)

    def _extend(self, name: str, owner: str, fence: int, ttl: float) -> Call:
        return self._call(EXTEND, name, owner.encode(), name.encode(), _micros(ttl), fence)

    def _queue(self, name: str, waiter: Waiter) -> Call:
        self._queued.add(waiter.owner)
        return self._call(QUEUE, name, waiter.owner.encode(), self._waiting(waiter.owner, waiter.ttl))

    def _leave(self, name: str, waiter: Waiter) -> Call:
        waiting = self._waiting(waiter.owner, waiter.ttl)
        return self._call(LEAVE, name, waiter.owner.encode(), name.encode(), self._channel, waiting)

    def _waiting(self, owner: str, ttl: float) -> bytes:
        """Return what stands in the queue for one who waits."""
        return b"%b %d %b" % (self._ear.process, _micros(ttl), owner.encode())

    def _call(self, script: Script, name: str, *values: Value) -> Call:
        key = name.encode()
        return script, (3, self._lock + key, self._queues + key, self._held, *values)

    def _run(self, call: Call) -> Any:
        try:
            return run(*call, self.connection)
        except RedisError as error:
            raise self._unavailable(error) from error

    async def _arun(self, call: Call) -> Any:
        try:
            return await arun(*call, self.connection)
        except RedisError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: RedisError) -> BackendUnavailable:
        return BackendUnavailable(f"Redis of CACHES[{self.connection!r}] did not answer for a lock: {error}")


def _tried(answer: list[int]) -> Tried:
    fence, rest = answer
    return Tried(fence or None, _seconds(rest))


def _pause(queued: list[int] | None, most: float) -> float:
    """Return how long to sleep by what QUEUE has answered, if it was asked."""
    return min(UNTOLD_S if queued is None else _seconds(queued[0]), most, TOLD_S)


def _note(waiter: Waiter, sent: float, queued: list[int] | None) -> None:
    """Turn what ``waiter`` was told into his grant, made as long after his request as Redis has counted."""
    if waiter.told is not None and queued is not None:
        fence, time = waiter.told
        began = min(sent + SURE * _seconds(time - queued[1]), moment())
        waiter.grant = Grant(fence, began + SURE * waiter.ttl)


def _seconds(micros: int) -> float:
    return micros / 1e6


def _micros(seconds: float) -> int:
    return max(1, round(seconds * 1e6))
