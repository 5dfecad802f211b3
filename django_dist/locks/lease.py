"""A lock that is held: for how long is surely known, how it is renewed, and how its loss is told."""

import logging
import os
import threading
from collections.abc import Callable
from typing import Any, Final

from ..exceptions import BackendUnavailable, LockLost
from ..signals import lock_lost, lock_released
from .base import Grant, LockBackend
from .moment import SURE, moment
from .owner import life, lives, running
from .ticker import Ticker
from .waiting import aasked_twice, asked_twice

log: Final = logging.getLogger("django_dist.locks")
#: Seconds until a renewal that the store did not answer is tried again, at most.
AGAIN_S: Final = 1.0
#: Tells of leases that have run out; it asks no store, so that one which is silent cannot keep it from doing so.
watch: Final = Ticker("django_dist lock deadlines")
OnLost = Callable[["Lease"], Any]


class Lease:
    """One grant of a lock, from its acquisition to its release; what ``with lock(...) as lease`` gives.

    ``name`` and ``fence`` say what is held; ``depth`` says how many blocks of its owner stand in each other.
    """

    def __init__(self, store: LockBackend, name: str, owner: str, ttl: float, grant: Grant, on_lost: OnLost | None):
        self.name, self.fence, self.depth = name, grant.fence, 1
        self.store, self.owner, self.ttl = store, owner, ttl
        self._until, self.joined, self._on_lost = grant.until, grant.joined, on_lost
        self.runner, self._life = running(), life()
        self._began = moment()
        self._changing = threading.Lock()
        self._why: str | None = None  # it was lost
        self._closed = False

    def begin(self, *, renew: bool) -> None:
        """Watch the deadline from now on, and with ``renew`` put it off each time when a third is over.

        Not that of a lease in a transaction: the renewer, on another connection, does not see it.
        """
        watch.add(self._run_out, self._until)
        if renew and not self.joined:
            self.store.renewals.add(self._renew, self._next())

    def held(self) -> bool:
        """Return whether it is surely held still. No store is asked: it is by a deadline set before the request.

        False from the deadline on, whatever the store thinks, in a child after a fork, and after its release.
        """
        mine = self.runner.pid == os.getpid() and not self._closed
        return mine and self._why is None and moment() < self._until

    @property
    def left(self) -> float:
        """How many seconds it is surely held still; 0 where held() is False."""
        return max(0.0, self._until - moment()) if self.held() else 0.0

    def check(self) -> None:
        """Ask the store whether it is held still; raises LockLost."""
        self.require()
        if not asked_twice(lambda: self.store.check(self.name, self.owner, self.fence)):
            self._gone()

    async def acheck(self) -> None:
        """See check()."""
        self.require()
        if not await aasked_twice(lambda: self.store.acheck(self.name, self.owner, self.fence)):
            self._gone()

    def extend(self) -> None:
        """Begin the lease anew, for as long as it was asked for; raises LockLost."""
        self.require()
        sent = moment()
        if not self.store.extend(self.name, self.owner, self.fence, self.ttl):
            self._gone()
        self._until = max(self._until, sent + SURE * self.ttl)

    async def aextend(self) -> None:
        """See extend()."""
        self.require()
        sent = moment()
        if not await self.store.aextend(self.name, self.owner, self.fence, self.ttl):
            self._gone()
        self._until = max(self._until, sent + SURE * self.ttl)

    def require(self) -> None:
        """Raise LockLost unless it is surely held still; see held()."""
        if not self.held():
            if moment() >= self._until:
                self._run_out()
            raise LockLost(f"{self.name!r} is lost: {self._why or 'it is not held by this process'}", name=self.name)

    def stop(self) -> None:
        """Watch and renew it no more."""
        watch.remove(self._run_out)
        self.store.renewals.remove(self._renew)

    @property
    def abandoned(self) -> bool:
        """Whether the thread or task that holds it has ended and left it behind."""
        return not lives(self._life)

    def close(self) -> None:
        """Release it; a store that does not answer is told by a log record, and the lease runs out there."""
        if self._close():
            try:
                self._released(asked_twice(lambda: self.store.release(self.name, self.owner, self.fence)))
            except BackendUnavailable as error:
                self._unanswered(error)

    async def aclose(self) -> None:
        """See close()."""
        if self._close():
            try:
                self._released(await aasked_twice(lambda: self.store.arelease(self.name, self.owner, self.fence)))
            except BackendUnavailable as error:
                self._unanswered(error)

    @property
    def lost(self) -> bool:
        """Whether it was lost before it was released."""
        return self._why is not None

    def _close(self) -> bool:
        """End what this process does for it; return whether there is something to release."""
        if self.runner.pid != os.getpid():
            return False
        self.stop()
        if moment() >= self._until:
            self._run_out()
        with self._changing:
            due, self._closed = not self._closed and self._why is None, True
        return due

    def _released(self, mine: bool) -> None:
        self.store.line.freed(self.name)
        if not mine:
            self._lose("another was granted it, or it was broken")
        lock_released.send_robust(type(self.store), name=self.name, fence=self.fence, held=moment() - self._began)

    def _unanswered(self, error: BackendUnavailable) -> None:
        log.warning("%r is not released, its lease has to run out: %s", self.name, error)

    def _gone(self) -> None:
        self._lose("its lease has run out at the store, or it was broken")
        raise LockLost(f"{self.name!r} is lost: {self._why}", name=self.name)

    def _lose(self, why: str) -> None:
        """Note the loss and tell of it, once."""
        with self._changing:
            if self._why is not None:
                return
            self._why = why
        log.error("%r is lost: %s", self.name, why)
        # On a thread of its own: what it does must not keep other losses from being told.
        threading.Thread(target=self._tell, name="django_dist lock lost", daemon=True).start()

    def _tell(self) -> None:
        lock_lost.send_robust(type(self.store), name=self.name, fence=self.fence, held=moment() - self._began)
        if self._on_lost is not None:
            try:
                self._on_lost(self)
            except Exception:
                log.exception("on_lost of %r failed", self.name)

    def _run_out(self) -> float | None:
        """Note the loss when the deadline is over; return when to look again."""
        if self._closed or self._why is not None:
            return None
        if moment() < self._until:
            return self._until
        self._lose("its lease has run out")
        return None

    def _renew(self) -> float | None:
        if self.abandoned:
            log.error("%r was left behind by what held it: its lease is renewed no more", self.name)
            return None
        try:
            self.extend()
        except LockLost:
            return None
        except BackendUnavailable as error:
            log.warning("%r is not renewed now: %s", self.name, error)
            return min(self._next(), moment() + AGAIN_S)
        return self._next()

    def _next(self) -> float:
        now = moment()
        return now + max(0.0, self._until - now) / 3
