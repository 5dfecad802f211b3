"""Release after the transaction: who comes next must see what was written, or that it was rolled back.

Django calls nobody after a rollback. So the methods of a connection that end its transaction are wrapped
while a release waits for it, and put back when it has ended.
"""

import logging
from typing import Final

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from .held import held
from .lease import Lease

log: Final = logging.getLogger("django_dist.locks")
ENDS: Final = ("commit", "rollback", "close")


def defer(lease: Lease, ended: BaseDatabaseWrapper | None = None) -> bool:
    """Let ``lease`` be released when the transaction of this thread has ended; return whether there is one.

    That of a test case, which never ends while a test runs, is none. ``ended`` has just ended its own. Where the
    lease is part of the transaction, so is its release.
    """
    if lease.joined:
        return False
    for connection in connections.all(initialized_only=True):
        if connection is not ended and is_open(connection):
            _pending(connection).add(lease)
            return True
    return False


def is_open(connection: BaseDatabaseWrapper) -> bool:
    """Return whether ``connection`` is in a transaction that will be committed or rolled back."""
    if connection.in_atomic_block:
        return not any(block._from_testcase for block in connection.atomic_blocks)  # type: ignore[attr-defined]
    return connection.connection is not None and not connection.autocommit  # no method, which might connect


class _Pending:
    """The leases that wait for the end of one connection's transaction, and what ends it."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection, self._leases = connection, list[Lease]()
        self._own = {name: vars(connection).get(name) for name in ENDS}
        self._real = {name: getattr(connection, name) for name in ENDS}
        for name in ENDS:
            setattr(connection, name, getattr(self, name))

    def add(self, lease: Lease) -> None:
        if lease not in self._leases:
            self._leases.append(lease)

    def commit(self) -> None:
        """Commit, unless a lock was lost: what was written under it may clash with what another holder writes."""
        lost = [lease for lease in self._leases if not lease.held()]
        if lost:
            self.rollback()
            lost[0].require()
        self._real["commit"]()
        self._end()

    def rollback(self) -> None:
        """Roll back; where that fails, Django closes the connection."""
        self._real["rollback"]()
        self._end()

    def close(self) -> None:
        """Close the connection, which ends what is open on it."""
        try:
            self._real["close"]()
        finally:
            self._end()

    def _end(self) -> None:
        for name, own in self._own.items():
            if own is None:
                delattr(self._connection, name)
            else:
                setattr(self._connection, name, own)
        for lease in self._leases:
            # One that was entered again is released when it is left.
            if not lease.depth and not defer(lease, ended=self._connection):
                _close(lease)


def _pending(connection: BaseDatabaseWrapper) -> _Pending:
    """Return what waits for the end of the transaction of ``connection``."""
    found = getattr(connection.close, "__self__", None)
    return found if isinstance(found, _Pending) else _Pending(connection)


def _close(lease: Lease) -> None:
    """Release ``lease``; the transaction has ended, so that nothing that fails here may look as if it had not."""
    held.forget(lease)
    try:
        lease.close()
    except Exception:
        log.exception("%r is not released, its lease has to run out", lease.name)
