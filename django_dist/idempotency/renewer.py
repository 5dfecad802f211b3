"""Renew the leases of this process: one thread for all of them, asleep while there is none.

A thread, under ASGI too: a task would not come to its turn while a view blocks the event loop.
"""

import logging
import os
import threading
from collections import defaultdict
from time import monotonic
from typing import TYPE_CHECKING, Final
from uuid import UUID

from django.db import connections

from ..exceptions import BackendUnavailable
from .base import Claim

if TYPE_CHECKING:
    from .lease import LeaseStore

log: Final = logging.getLogger("django_dist.idempotency")
Group = tuple["LeaseStore", float]


class _Held:
    """One lease of this process."""

    def __init__(self, store: "LeaseStore", claim: Claim, max_run: float) -> None:
        self.store, self.digest, self.lease, self.view = store, claim.digest, claim.lease, claim.view
        self.until = monotonic() + max_run
        self.due = monotonic() + claim.lease / 3


class Renewer:
    """Begins each lease anew when a third of it is over, until it is removed or has run too long."""

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._changed = threading.Condition()
        self._held: dict[UUID, _Held] = {}
        self._thread: threading.Thread | None = None
        self._next = float("inf")  # when the thread wakes

    def add(self, store: "LeaseStore", claim: Claim, owner: UUID, max_run: float) -> None:
        """Renew the lease of ``owner`` from now on."""
        held = _Held(store, claim, max_run)
        with self._changed:
            self._held[owner] = held
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="django_dist leases", daemon=True)
                self._thread.start()
            elif held.due < self._next:
                self._changed.notify()

    def remove(self, owner: UUID) -> None:
        """Renew the lease of ``owner`` no more."""
        with self._changed:
            self._held.pop(owner, None)

    def _run(self) -> None:
        while True:
            for (store, lease), owners in self._await_due().items():
                try:
                    store.renew(owners, lease)
                except BackendUnavailable as error:
                    log.warning("leases are not renewed now: %s", error)
                except Exception:
                    log.exception("leases are not renewed now")
            connections.close_all()  # this thread's own: the next round may be long in coming

    def _await_due(self) -> dict[Group, dict[UUID, UUID]]:
        with self._changed:
            while not (due := self._due()):
                self._next = min((held.due for held in self._held.values()), default=float("inf"))
                # Without a lease it sleeps until there is one.
                self._changed.wait(None if self._next == float("inf") else max(0.0, self._next - monotonic()))
        return due

    def _due(self) -> dict[Group, dict[UUID, UUID]]:
        now = monotonic()
        due: dict[Group, dict[UUID, UUID]] = defaultdict(dict)
        for owner, held in list(self._held.items()):
            if held.until <= now:
                log.error("%s has run for too long: its lease is renewed no more", held.view)
                del self._held[owner]
            elif held.due <= now:
                held.due = now + held.lease / 3
                due[held.store, held.lease][held.digest] = owner
        return due


renewer: Final = Renewer()
os.register_at_fork(after_in_child=renewer._forget)
