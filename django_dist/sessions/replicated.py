"""``SESSION_ENGINE = "django_dist.sessions.replicated"``: copies in several stores, any of which may fail.

Not safe against a write that one store alone had and lost: see ``write_quorum``. Two web servers that each see another
store only may, until they see both again, overwrite each other's changes of one session; a session that either has
ended stays so. Sources: hinted handoff and read repair, G. DeCandia and others, "Dynamo" (2007); M. Nygard, "Release
It!" (2007), on the circuit breaker.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache, partial
from typing import Any, Final
from uuid import UUID

from django.core.signals import setting_changed
from django.db import connections, transaction

from ..exceptions import SessionStoreUnavailable
from .database import DatabaseSessions
from .device import Device
from .options import options
from .place import Listed, Row, SessionPlace, Stored
from .replica import ENDED, Replica, log
from .store import DistSession

#: What is handed over to a store at a time, within somebody's request.
HANDED_OVER: Final = 100


@cache
def replicas() -> list[Replica]:
    """Return the stores in their order; their state is that of this process."""
    return [_replica(name) for name in options().replicas]


def _replica(name: str) -> Replica:
    kind, _, alias = name.partition(":")
    if kind == "database":
        return Replica(name, DatabaseSessions(alias or None))
    from .redis import RedisSessions  # with its extra

    return Replica(name, RedisSessions(alias or None))


def _forget(*, setting: str, **_: Any) -> None:
    if setting in ("DIST_SESSIONS", "CACHES", "DATABASES"):
        replicas.cache_clear()


setting_changed.connect(_forget)


class ReplicatedSessions(SessionPlace):
    """The first store that answers leads: what it takes is copied to the others, or remembered for them."""

    def __init__(self) -> None:
        self._looked_at = float("-inf")
        self._looking = threading.Lock()

    # -- reading --

    def read(self, digest: UUID) -> Stored | None:
        """See SessionPlace.read(). What a store does not have it gets from the next one that has it."""
        missing, failure = [], None
        for replica in self._readers():
            try:
                stored: Stored | None = replica.ask("read_newest", replica.key(digest))
            except SessionStoreUnavailable as error:
                failure = error
                continue
            if stored is None:
                missing.append(replica)
            elif stored.version >= ENDED:
                return None
            else:
                _repair(digest, replica, missing)
                return stored
        if failure is not None or not all(each.is_up for each in replicas()):
            # It may be there: nobody is to be logged out by that.
            raise failure or SessionStoreUnavailable(
                "a replica of sessions does not answer, and the others have nothing"
            )
        return None

    read_newest = read

    def _readers(self) -> Iterator[Replica]:
        """Yield what may be asked, those last that have missed something."""
        self._look()
        yield from sorted((each for each in replicas() if each.is_up), key=lambda each: each.is_behind)

    def _look(self) -> None:
        """Once in ``suspicion_ttl``, and where a store is back: what have the stores missed, or forgotten?"""
        if time.monotonic() < self._looked_at + options().suspicion_ttl or not self._looking.acquire(blocking=False):
            return
        try:
            for replica in replicas():
                _quietly(replica.look)
            for replica in replicas():
                _quietly(partial(hand_over, replica))
            self._looked_at = time.monotonic()
        finally:
            self._looking.release()

    # -- writing --

    def insert(self, digest: UUID, row: Row) -> bool:
        """See SessionPlace.insert()."""
        return self._admitted(row, lambda: self._led("insert", digest, 1, row, lambda at: (at.key(digest),)))

    def update(self, digest: UUID, version: int, row: Row) -> bool:
        """See SessionPlace.update()."""
        given = version
        return self._admitted(
            row, lambda: self._led("update", digest, version + 1, row, lambda at: (at.key(digest), given))
        )

    def rename(self, digest: UUID, version: int, row: Row, new: UUID) -> bool:
        """See SessionPlace.rename()."""

        def renamed() -> bool:
            def given(at: Replica) -> tuple[Any, ...]:
                return at.key(digest), version

            return self._led("rename", new, version + 1, row, given, lambda at: (at.key(new),)) and self._bury(digest)

        return self._admitted(row, renamed)

    def _led(
        self,
        method: str,
        digest: UUID,
        version: int,
        row: Row,
        before: Callable[[Replica], tuple[Any, ...]],
        after: Callable[[Replica], tuple[Any, ...]] = lambda at: (),
    ) -> bool:
        """Let one store decide, and the others follow."""

        def decide(at: Replica) -> bool:
            return bool(at.ask(method, *before(at), row._replace(user=at.user(row.user)), *after(at)))

        leader = self._first(decide)
        return leader is not None and self._spread(leader, digest, lambda at: at.put(digest, version, row))

    def _first(self, decide: Callable[[Replica], bool]) -> Replica | None:
        """Return the store that has decided for it; None where one has decided against it."""
        failure = None
        for replica in sorted(self._readers(), key=lambda each: _transaction_of(each) is None):
            try:
                return replica if decide(replica) else None
            except SessionStoreUnavailable as error:
                failure = error
        raise failure or SessionStoreUnavailable("no replica of sessions answers")

    def _spread(self, leader: Replica, digest: UUID, copy: Callable[[Replica], bool]) -> bool:
        """Copy what ``leader`` has to the others; return False where one of them knows that the session has ended."""
        reached, over = 1, _transaction_of(leader)
        for replica in replicas():
            if replica is leader:
                continue
            if over is not None and replica.is_up:
                # After a rollback nobody is to be ahead of the database.
                transaction.on_commit(partial(self._copied, replica, leader, digest, copy), using=over)
                reached += 1
                continue
            stands = self._copied(replica, leader, digest, copy)
            if stands is False:
                leader.bury(digest)
                return False
            reached += stands is not None
        quorum = len(replicas()) if options().write_quorum == "all" else int(options().write_quorum)
        if reached < quorum:
            raise SessionStoreUnavailable(f"{reached} replicas of sessions have a write that {quorum} must have")
        return True

    def _copied(self, replica: Replica, leader: Replica, digest: UUID, copy: Callable[[Replica], bool]) -> bool | None:
        """Return whether ``replica`` has it: False where it knows that the session has ended, None where it is away."""
        if replica.is_up:
            try:
                if copy(replica):
                    return True
                stored: Stored | None = replica.ask("read_newest", replica.key(digest))
                return stored is None or stored.version < ENDED
            except SessionStoreUnavailable:
                log.debug("replica %r has missed a write", replica.name)
        leader.remember(replica.name, digest)
        return None

    def _admitted(self, row: Row, write: Callable[[], bool]) -> bool:
        """Write; what the leader has ended, so that its user may enter, has ended everywhere."""
        if options().max_per_user is None or row.user is None or not row.enters:
            return write()
        self.listed(row.user)  # the leader gets what it lacks, for it counts
        if not write():
            return False
        # The leader is asked last: what another has, and it has no more, it has ended.
        *copies, standing = [_listed(each, row.user) for each in reversed(replicas()) if each.is_up]
        for digest in set().union(*copies) - set(standing):
            self._bury(digest)
        return True

    def touch(self, digest: UUID, ttl: float, device: Device) -> None:
        """See SessionPlace.touch()."""

        def put_off(at: Replica) -> bool:
            return at.ask("touch", at.key(digest), ttl, device) is None

        leader = self._first(put_off)
        for replica in replicas():
            if replica is not leader and replica.is_up:
                _quietly(partial(put_off, replica))

    # -- the end --

    def delete(self, digest: UUID, user: str | None = None) -> bool:
        """See SessionPlace.delete()."""
        if user is not None and digest not in {one.digest for one in self.listed(user)}:
            return False
        try:
            stood = self.read(digest) is not None
        except SessionStoreUnavailable:
            stood = True  # it may be where nobody answers
        if stood:
            self._bury(digest)
        return stood

    def _bury(self, digest: UUID) -> bool:
        def bury(at: Replica) -> bool:
            at.bury(digest)
            return True

        leader = self._first(bury)
        return leader is None or self._spread(leader, digest, bury)

    def listed(self, user: str) -> list[Listed]:
        """See SessionPlace.listed(). Where the stores differ each session is looked at, which makes them agree."""
        found = []
        for replica in self._readers():
            with suppress(SessionStoreUnavailable):
                found.append(_listed(replica, user))
        if not found:
            raise SessionStoreUnavailable("no replica of sessions answers")
        everywhere = set(found[0]).intersection(*found)
        united = {digest: one for each in reversed(found) for digest, one in each.items()}
        live = [one for digest, one in united.items() if digest in everywhere or self.read(digest) is not None]
        return sorted(live, key=lambda one: (one.seen_at, one.digest), reverse=True)

    def delete_all(self, user: str, but: UUID | None) -> int:
        """See SessionPlace.delete_all()."""
        ended = [one.digest for one in self.listed(user) if one.digest != but]
        for digest in ended:
            self._bury(digest)
        return len(ended)

    def purge(self, batch: int) -> int:
        """See SessionPlace.purge()."""
        return sum(each.place.purge(batch) for each in replicas() if each.is_up)


def _listed(replica: Replica, user: str) -> dict[UUID, Listed]:
    found: list[Listed] = replica.ask("listed", replica.user(user))
    named = [one._replace(digest=replica.key(one.digest)) for one in found]
    return {one.digest: one for one in named}


def _transaction_of(replica: Replica) -> str | None:
    """Return the database whose transaction the writes to ``replica`` belong to now."""
    if not isinstance(replica.place, DatabaseSessions):
        return None
    blocks = connections[replica.place.database].atomic_blocks
    mine = any(not block._from_testcase for block in blocks)  # type: ignore[attr-defined]
    return replica.place.database if mine else None


def _repair(digest: UUID, source: Replica, missing: list[Replica]) -> None:
    """Give those that have nothing what ``source`` has."""
    if missing and (found := source.whole(digest)) is not None:
        for replica in missing:
            _quietly(partial(replica.put, digest, found.version, found.row))


def hand_over(replica: Replica) -> int:
    """Give ``replica`` what others remember for it, some at a time; return how much there was."""
    number = 0
    for other in replicas():
        if other is replica or not other.is_up:
            continue
        for digest in other.missed_by(replica.name, HANDED_OVER):
            number += 1
            replica.is_behind = True
            if not replica.is_up:
                return number
            _copy(digest, other, replica)
            other.forget(replica.name, digest)
            _copy(digest, other, replica)  # what was changed meanwhile, and remembered before it was forgotten
    replica.is_behind = number >= HANDED_OVER
    return number


def waiting_for(replica: Replica, most: int = 1000) -> int:
    """Return how much others remember for ``replica``, counted no further than ``most`` a store."""
    return sum(len(other.missed_by(replica.name, most)) for other in replicas() if other is not replica and other.is_up)


def _copy(digest: UUID, source: Replica, to: Replica) -> None:
    if (found := source.whole(digest)) is not None:
        to.put(digest, found.version, found.row)


def _quietly(call: Callable[[], Any]) -> None:
    """Do what may be done later by somebody else."""
    with suppress(SessionStoreUnavailable):
        call()


class SessionStore(DistSession):
    """The engine."""

    place = ReplicatedSessions()
