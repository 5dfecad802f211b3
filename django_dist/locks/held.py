"""The leases of this process, by who holds them: so that an owner may enter again what it holds."""

import atexit
import threading
from contextlib import suppress
from typing import Final

from .base import LockBackend
from .lease import Lease
from .owner import Runner, running


class HeldLeases:
    """What threads and tasks of this process hold; each sees its own alone."""

    def __init__(self) -> None:
        self._leases: dict[tuple[LockBackend, str, Runner], Lease] = {}

    def find(self, store: LockBackend, name: str) -> Lease | None:
        """Return the lease that who runs now has on ``name``."""
        key = (store, name, running())
        lease = self._leases.get(key)
        if lease is not None and lease.abandoned:  # of a thread that has ended, whose number another has now
            del self._leases[key]
            return None
        return lease

    def add(self, lease: Lease) -> None:
        """Note that who made ``lease`` has it."""
        self._leases[lease.store, lease.name, lease.runner] = lease

    def forget(self, lease: Lease) -> None:
        """Note that ``lease`` is held no more; from any thread."""
        self._leases.pop((lease.store, lease.name, lease.runner), None)

    def end(self) -> None:
        """Release what the main thread still holds at the end of the program.

        An interrupt that strikes between a block and what leaves it is one that no block can answer. What other
        threads hold is left to run out: they may be at work still.
        """
        for lease in list(self._leases.values()):
            if lease.runner.thread == threading.main_thread().ident or lease.abandoned:
                with suppress(Exception):
                    lease.close()


held: Final = HeldLeases()
atexit.register(held.end)
