"""The block that holds a lock: ``with lock("nightly-report") as lease`` and ``async with``."""

from contextlib import suppress
from types import TracebackType
from typing import Final, Literal, NamedTuple

from asgiref.sync import sync_to_async

from ..exceptions import LockLost, LockTimeout
from ..signals import lock_acquired
from .base import Grant, LockBackend
from .held import held
from .lease import Lease, OnLost
from .moment import moment
from .owner import new_owner
from .registry import locks
from .transactions import defer
from .waiting import aasked_twice, asked_twice, to_the_end

LONGEST_NAME: Final = 200
LONGEST_TTL: Final = 1_000_000_000.0  # seconds; years that every store can add
Release = Literal["transaction", "now"]


class Lock(NamedTuple):
    """What lock() returns: a block that may be entered any number of times, by any number of threads and tasks."""

    name: str
    ttl: float
    wait: float
    renew: bool
    release: Release
    using: str | LockBackend
    on_lost: OnLost | None

    def __enter__(self) -> Lease:
        """Acquire the lock; see lock()."""
        store, owner, began = self.store, new_owner(), moment()
        if (lease := self._again(store)) is None:
            try:
                lease = self._granted(store, owner, store.acquire(self.name, owner, self.ttl, self.wait))
                self._begin(lease, moment() - began)
            except LockTimeout:
                raise
            except BaseException:  # such as KeyboardInterrupt when it is granted and nobody knows of it yet
                with suppress(
                    Exception
                ):  # the connection may be in the midst of its answer, and made anew for a repeat
                    asked_twice(lambda: store.release(self.name, owner, None))
                self._forget(lease)
                raise
        return lease

    async def __aenter__(self) -> Lease:
        """See __enter__(); a task that is cancelled while it waits leaves nothing held."""
        store, owner, began = self.store, new_owner(), moment()
        if (lease := self._again(store)) is None:
            try:
                lease = self._granted(store, owner, await store.aacquire(self.name, owner, self.ttl, self.wait))
                self._begin(lease, moment() - began)
            except LockTimeout:
                raise
            except BaseException:
                with suppress(Exception):
                    await aasked_twice(lambda: store.arelease(self.name, owner, None))
                self._forget(lease)
                raise
        return lease

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the lock; raises LockLost where it was lost, unless the block itself has raised."""
        lease = self._left()
        if lease is not None and not lease.depth and not (self.release == "transaction" and defer(lease)):
            try:
                lease.close()
            except BaseException:  # an interrupt, while the store was asked
                with suppress(Exception):
                    asked_twice(lambda: lease.store.release(self.name, lease.owner, lease.fence))
                raise
            held.forget(lease)
        self._conclude(lease, error)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """See __exit__()."""
        lease = self._left()
        if lease is not None and not lease.depth:
            await to_the_end(self._arelease(lease))
        self._conclude(lease, error)

    async def _arelease(self, lease: Lease) -> None:
        # The one transaction that may stand around a coroutine is on the thread of Django's async ORM calls.
        if self.release == "now" or not await sync_to_async(defer)(lease):
            held.forget(lease)
            await lease.aclose()

    @property
    def store(self) -> LockBackend:
        """The store that keeps the lock."""
        return self.using if isinstance(self.using, LockBackend) else locks[self.using]

    def _again(self, store: LockBackend) -> Lease | None:
        """Enter once more what who runs now holds already; raises LockLost where it was lost meanwhile."""
        lease = held.find(store, self.name)
        if lease is not None:
            lease.require()
            lease.depth += 1
        return lease

    def _granted(self, store: LockBackend, owner: str, grant: Grant | None) -> Lease:
        if grant is None:
            raise LockTimeout(f"{self.name!r} still held after {self.wait:g} s", name=self.name)
        return Lease(store, self.name, owner, self.ttl, grant, self.on_lost)

    def _begin(self, lease: Lease, waited: float) -> None:
        held.add(lease)
        lease.begin(renew=self.renew)
        lock_acquired.send_robust(type(lease.store), name=self.name, fence=lease.fence, waited=waited)

    def _forget(self, lease: Lease | None) -> None:
        if lease is not None:
            held.forget(lease)
            lease.stop()

    def _left(self) -> Lease | None:
        lease = held.find(self.store, self.name)
        if lease is not None:
            lease.depth -= 1
        return lease

    def _conclude(self, lease: Lease | None, error: BaseException | None) -> None:
        """Raise LockLost where the block has ended well, and was not guarded to its end."""
        if error is not None:
            return
        if lease is None:
            raise LockLost(f"{self.name!r} is not held by this process, thread or task", name=self.name)
        if lease.lost:
            lease.require()


def lock(
    name: str,
    *,
    ttl: float = 30.0,
    wait: float | None = None,
    renew: bool = True,
    release: Release = "transaction",
    using: str | LockBackend = "default",
    on_lost: OnLost | None = None,
) -> Lock:
    """Return a block, ``with`` or ``async with``, that at most one holder of ``name`` is in at a time.

    ``name`` is any text of 1 to 200 characters. The store holds it for ``ttl`` seconds, by its own clock, and with
    ``renew`` for as long as this process lives and the block lasts; a holder that died is followed by the next one
    after the rest of them. ``wait`` is how many seconds to keep trying: 0 tries once, None is as long as ``ttl``.
    The block may be entered again by the thread or task that is in it; ``lease.fence`` stays the same, and
    otherwise grows with every grant, so that what is written to may refuse a late holder.

    In a transaction of this thread the lock is released when the outermost one has ended, so that the next
    holder sees what was written; ``release="now"`` releases at the end of the block. ``using`` is an alias of
    DIST_LOCKS. ``on_lost`` is called with the lease, once and on a thread of its own, when it is lost: by its
    deadline, even where the store never answers.

    Raises LockTimeout when another held it for all of ``wait``; BackendUnavailable where the store does not
    answer, and then it is not held; LockLost on leaving the block, or instead of the commit, where it was lost.
    Source: M. Kleppmann, "How to do distributed locking" (2016), on leases and fencing tokens.
    """
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
        raise ValueError(f"the name of a lock is a text of 1 to {LONGEST_NAME} characters, not {name!r}")
    name.encode()  # a lone surrogate is no text
    if not 0 < ttl <= LONGEST_TTL:
        raise ValueError(f"ttl must be above 0 and at most {LONGEST_TTL:.0f} seconds, not {ttl}")
    wait = ttl if wait is None else wait
    if not 0 <= wait <= LONGEST_TTL:
        raise ValueError(f"wait must be 0 to {LONGEST_TTL:.0f} seconds, or None for as long as ttl, not {wait}")
    if release not in ("transaction", "now"):
        raise ValueError(f"release must be 'transaction' or 'now', not {release!r}")
    return Lock(name, float(ttl), float(wait), renew, release, using, on_lost)
