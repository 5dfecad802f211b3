"""What the suite of locks stands on: a store made by the subclass, threads of their own, and waiting for a state."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, ClassVar
from unittest import TestCase

from django.db import connections

from ..locks import lock
from ..locks.base import LockBackend, Tried
from ..locks.block import Lock

if TYPE_CHECKING:
    Base = TestCase
else:
    Base = object
PATIENCE_S = 15.0  # after which what should have come is given up
LONG_S = 60.0  # a lease that does not end while a test runs
SHORT_S = 0.5  # a lease that does


class LockHarness(Base):
    """Mixed into a TestCase of Django's that lets the store be used: a SimpleTestCase, or a TransactionTestCase."""

    #: Whether a refused try tells how long the other's lease lasts.
    tells_rest: ClassVar[bool] = True
    #: Whether the list of holders tells their fences.
    tells_fence: ClassVar[bool] = True
    #: Whether who waits stands in a queue of the store, and does not ask it again.
    queues: ClassVar[bool] = False

    def make_backend(self) -> LockBackend:
        """Return a store that holds nothing yet; a second call, the same as another process would have it."""
        raise NotImplementedError

    def another_process(self) -> LockBackend:
        """Return the store as another process would have it, where there can be one."""
        return self.locks if self.locks.per_process else self.make_backend()

    def setUp(self) -> None:
        super().setUp()
        self._threads: list[threading.Thread] = []
        self.addCleanup(self._join)
        self.locks = self.make_backend()

    def _join(self) -> None:
        for thread in self._threads:
            thread.join(PATIENCE_S)

    def lock(self, name: str = "a", **options: Any) -> Lock:
        """Return a block over the store under test."""
        options = {"using": self.locks, "ttl": LONG_S, "wait": PATIENCE_S, **options}
        return lock(name, **options)

    def grant(self, name: str = "a", owner: str = "one", ttl: float = LONG_S) -> int:
        """Return the fence of a grant to ``owner``, which must be had at once."""
        fence = self.locks.try_acquire(name, owner, ttl).fence
        assert fence is not None, f"{name!r} is not free"
        return fence

    def other(self, name: str = "a", owner: str = "other", ttl: float = LONG_S) -> Tried:
        """Return what a try of another comes to."""
        return self.locks.try_acquire(name, owner, ttl)

    def taken_over(self, name: str = "a", owner: str = "next") -> int:
        """Return the fence of the grant to another, when the present lease has ended."""
        return int(self.until(lambda: self.other(name, owner).fence))

    def is_free(self, name: str = "a") -> bool:
        """Return whether another gets the lock; it is free again then."""
        fence = self.other(name, "probe").fence
        return fence is not None and self.locks.release(name, "probe", fence)

    def until(self, condition: Callable[[], Any]) -> Any:
        """Return what ``condition`` returns, once it is true."""
        over_at = time.monotonic() + PATIENCE_S
        while not (found := condition()):
            self.assertLess(time.monotonic(), over_at, "it did not come to be")
            time.sleep(0.01)
        return found

    def aside(self, call: Callable[..., Any], *args: Any, **keywords: Any) -> "Future[Any]":
        """Run ``call`` on a thread of its own."""
        future: Future[Any] = Future()

        def work() -> None:
            try:
                future.set_result(call(*args, **keywords))
            except BaseException as error:  # noqa: BLE001  (raised by result())
                future.set_exception(error)
            finally:
                connections.close_all()

        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()
        return future

    def elsewhere(self, call: Callable[..., Any], *args: Any, **keywords: Any) -> Any:
        """Return what ``call`` returns on a thread of its own."""
        return self.aside(call, *args, **keywords).result(PATIENCE_S)
