"""Who waits in this process for a lock, first come first served: one of them asks the store, the others sleep."""

import asyncio
import os
import threading
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .base import Grant


class Waiter:
    """One who waits. He is woken when he comes to be the first, and when the lock may be free."""

    def __init__(self, owner: str, ttl: float) -> None:
        self.owner, self.ttl = owner, ttl  # of the grant that he waits for
        self.first = False
        self.told: tuple[int, int] | None = None  # by the store: the fence of his grant, and its time there
        self.grant: Grant | None = None
        self._woken = threading.Event()

    def wake(self) -> None:
        """End his sleep, or the one that he is about to begin."""
        self._woken.set()

    def sleep(self, seconds: float) -> None:
        """Sleep for ``seconds``, or until he is woken."""
        self._woken.wait(seconds)
        self._woken.clear()


class AsyncWaiter(Waiter):
    """A task that waits."""

    def __init__(self, owner: str, ttl: float) -> None:
        super().__init__(owner, ttl)
        self._loop, self._called = asyncio.get_running_loop(), asyncio.Event()

    def wake(self) -> None:
        """See Waiter.wake(); from any thread."""
        with suppress(RuntimeError):  # his event loop has ended, and he with it
            self._loop.call_soon_threadsafe(self._called.set)

    async def asleep(self, seconds: float) -> None:
        """See Waiter.sleep()."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._called.wait(), seconds)
        self._called.clear()


class Line:
    """The waiters of one store in this process, by the name that they wait for."""

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._pid, self._changing = os.getpid(), threading.Lock()
        self._waiting: defaultdict[str, deque[Waiter]] = defaultdict(deque)

    @contextmanager
    def place(self, name: str, waiter: Waiter) -> Iterator[None]:
        """Let ``waiter`` stand in the line for the block, behind those who came before."""
        if self._pid != os.getpid():  # a fork, where none of the parent's threads goes on
            self._forget()
        with self._changing:
            waiters = self._waiting[name]
            waiters.append(waiter)
            waiters[0].first = True
        try:
            yield
        finally:
            with self._changing:
                waiters.remove(waiter)
                if not waiters:
                    del self._waiting[name]
                elif waiter.first:
                    waiters[0].first = True
                    waiters[0].wake()

    def freed(self, name: str) -> None:
        """Wake the first who waits for ``name``, which this process has just freed."""
        if name in self._waiting:
            with self._changing:
                if waiters := self._waiting.get(name):
                    waiters[0].wake()

    def tell(self, name: str, owner: str, told: tuple[int, int]) -> None:
        """Tell ``owner``, if he is the first who waits for ``name``, that it was granted to him."""
        with self._changing:
            waiters = self._waiting.get(name)
            if waiters and waiters[0].owner == owner:
                waiters[0].told = told
                waiters[0].wake()

    def waits(self, name: str) -> bool:
        """Return whether somebody waits for ``name`` in this process, or, after a fork, may have."""
        return name in self._waiting

    def length(self, name: str) -> int:
        """Return how many wait for ``name`` in this process, the one included who asks."""
        with self._changing:
            return len(self._waiting.get(name, ()))
