"""What a store of locks does: one round trip a method, no policy. Leases and owners stand elsewhere."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import ClassVar, Final, NamedTuple, ParamSpec, TypeVar

from asgiref.sync import sync_to_async

from .line import AsyncWaiter, Line, Waiter
from .moment import SURE, moment
from .ticker import Ticker
from .waiting import FIRST_PAUSE_S, aasked_twice, asked_twice, pauses, to_the_end

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
MOST_HOLDERS: Final = 1000  # that one listing tells


class Grant(NamedTuple):
    """A lock that was had."""

    fence: int
    until: float  # by moment(): until when it is surely held
    joined: bool = False  # see Tried


class Tried(NamedTuple):
    """What one try came to."""

    fence: int | None  # None: another holds it
    left: float = 0.0  # seconds that the other's lease has left, where the store tells: when to look again
    joined: bool = False  # whether the grant is part of this thread's transaction, and unseen by others until its end
    endless: bool = False  # whether it has no lease, but lasts as long as that

    def grant(self, sent: float, ttl: float) -> Grant | None:
        """Return what was had for ``ttl`` seconds by a request that was sent at ``sent``, or None."""
        if self.fence is None:
            return None
        return Grant(self.fence, float("inf") if self.endless else sent + SURE * ttl, self.joined)


class Holder(NamedTuple):
    """Who holds a lock, as the store tells it."""

    name: str
    owner: str  # see Owner.read()
    fence: int | None  # None: the store does not tell
    age: float  # seconds since it was granted
    left: float  # seconds of its lease; infinite where it lasts as long as a transaction
    waiting: int | None = None  # how many wait for it, where the store knows


class LockBackend(ABC):
    """A store of locks; thread-safe, built once a process.

    ``owner`` is a text of at most 200 ASCII characters that no other grant ever has, so that a repeat after a
    lost reply is known. Every method raises BackendUnavailable where the store does not answer: what it did is
    then unknown, and may be asked again. An ``a`` method does the same for coroutines; it runs the plain one
    on a thread, unless the store has a client of asyncio's.
    """

    #: Whether the ``a`` methods run on the thread of Django's async ORM calls, else on any.
    thread_sensitive: ClassVar[bool] = False
    #: Seconds between two tries of the first in the line, at most.
    longest_pause: ClassVar[float] = 0.08
    per_process: bool = False  # whether another process has locks of its own

    def __init__(self, *, alias: str) -> None:
        self.alias = alias
        self.line = Line()  # who waits in this process
        self.renewals = Ticker(f"django_dist locks {alias}")

    @abstractmethod
    def try_acquire(self, name: str, owner: str, ttl: float) -> Tried:
        """Grant ``name`` for ``ttl`` seconds, by the store's clock, if nobody holds it.

        The fence is greater than that of every grant of ``name`` before, for ever. The same owner's repeat
        is granted with the same fence.
        """

    @abstractmethod
    def release(self, name: str, owner: str, fence: int | None) -> bool:
        """Free ``name``; return whether nobody else was granted it since. A repeat returns the same.

        ``fence`` None frees whatever grant ``owner`` may have: one whose reply was lost.
        """

    @abstractmethod
    def extend(self, name: str, owner: str, fence: int, ttl: float) -> bool:
        """Begin the lease anew, unless it has run out or was broken; return whether it was still held."""

    @abstractmethod
    def check(self, name: str, owner: str, fence: int) -> bool:
        """Return whether the lease is still held."""

    @abstractmethod
    def holders(self) -> list[Holder]:
        """Return who holds a lock now, by name; at most MOST_HOLDERS of them."""

    @abstractmethod
    def break_lock(self, name: str) -> bool:
        """Take ``name`` from its holder and raise the fence; return whether somebody held it."""

    def purge(self, batch: int) -> int:
        """Forget up to ``batch`` locks that nobody has held for long, and return how many; no fence goes back."""
        return 0

    def expired(self) -> int:
        """Return how many locks wait to be purged."""
        return 0

    def pause(self, name: str, seconds: float, most: float, waiter: Waiter) -> None:
        """Wait for ``seconds``, or until ``waiter`` is woken; a store that wakes it may wait longer, up to ``most``.

        One that grants the lock to it meanwhile sets its ``grant``.
        """
        waiter.sleep(seconds)

    async def apause(self, name: str, seconds: float, most: float, waiter: AsyncWaiter) -> None:
        """See pause()."""
        await waiter.asleep(seconds)

    def leave(self, name: str, waiter: Waiter) -> None:
        """Note that ``waiter`` waits no more; what was granted to him, and he knows nothing of, is freed."""

    async def aleave(self, name: str, waiter: AsyncWaiter) -> None:
        """See leave()."""

    def acquire(self, name: str, owner: str, ttl: float, wait: float) -> Grant | None:
        """Try for ``wait`` seconds, in turn with others of this process; None when it stayed with another.

        A store whose clients wait in a queue of its own overrides this and aacquire().
        """
        tried, sent = None, moment()
        if not self.line.waits(name):
            tried = asked_twice(lambda: self.try_acquire(name, owner, ttl))
            if (grant := tried.grant(sent, ttl)) is not None or not wait:
                return grant
        waiter = Waiter(owner, ttl)
        with self.line.place(name, waiter):
            try:
                waiter.grant = self._waited(name, waiter, wait, tried)
            finally:
                self.leave(name, waiter)
        return waiter.grant

    async def aacquire(self, name: str, owner: str, ttl: float, wait: float) -> Grant | None:
        """See acquire()."""
        tried, sent = None, moment()
        if not self.line.waits(name):
            tried = await aasked_twice(lambda: self.atry_acquire(name, owner, ttl))
            if (grant := tried.grant(sent, ttl)) is not None or not wait:
                return grant
        waiter = AsyncWaiter(owner, ttl)
        with self.line.place(name, waiter):
            try:
                waiter.grant = await self._awaited(name, waiter, wait, tried)
            finally:
                await to_the_end(self.aleave(name, waiter))
        return waiter.grant

    def _waited(self, name: str, waiter: Waiter, wait: float, tried: Tried | None) -> Grant | None:
        for left, pause in pauses(wait, self.longest_pause):
            if waiter.first:
                sent = moment()
                if tried is None:
                    tried = asked_twice(lambda: self.try_acquire(name, waiter.owner, waiter.ttl))
                if (grant := tried.grant(sent, waiter.ttl)) is not None:
                    return grant
                if left:
                    self.pause(name, min(left, _until_worth(pause, tried.left)), left, waiter)
                if waiter.grant is not None:
                    return waiter.grant
                tried = None
            elif left:
                waiter.sleep(left)
        return None

    async def _awaited(self, name: str, waiter: AsyncWaiter, wait: float, tried: Tried | None) -> Grant | None:
        for left, pause in pauses(wait, self.longest_pause):
            if waiter.first:
                sent = moment()
                if tried is None:
                    tried = await aasked_twice(lambda: self.atry_acquire(name, waiter.owner, waiter.ttl))
                if (grant := tried.grant(sent, waiter.ttl)) is not None:
                    return grant
                if left:
                    await self.apause(name, min(left, _until_worth(pause, tried.left)), left, waiter)
                if waiter.grant is not None:
                    return waiter.grant
                tried = None
            elif left:
                await waiter.asleep(left)
        return None

    async def atry_acquire(self, name: str, owner: str, ttl: float) -> Tried:
        """See try_acquire()."""
        return await self._threaded(self.try_acquire, name, owner, ttl)

    async def arelease(self, name: str, owner: str, fence: int | None) -> bool:
        """See release()."""
        return await self._threaded(self.release, name, owner, fence)

    async def aextend(self, name: str, owner: str, fence: int, ttl: float) -> bool:
        """See extend()."""
        return await self._threaded(self.extend, name, owner, fence, ttl)

    async def acheck(self, name: str, owner: str, fence: int) -> bool:
        """See check()."""
        return await self._threaded(self.check, name, owner, fence)

    def _threaded(
        self, call: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
    ) -> Awaitable[Result]:
        return sync_to_async(call, thread_sensitive=self.thread_sensitive)(*args, **kwargs)


def _until_worth(pause: float, rest: float) -> float:
    """Return how long to sleep: not beyond the end of the lease that another has, where it is known."""
    return min(pause, max(rest, FIRST_PAUSE_S / 2)) if rest else pause
