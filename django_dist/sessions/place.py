"""Where sessions lie: what an engine does on its store, one round trip a method."""

from abc import ABC, abstractmethod
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from asgiref.sync import sync_to_async

from . import former_engine
from .device import UNKNOWN, Device


class Stored(NamedTuple):
    """What a store holds of a session that has not ended."""

    version: int
    data: bytes  # sealed
    idle: float  # seconds since it was last written or touched, by the store's clock
    lived: float  # seconds since it was created, or its user logged in


class Row(NamedTuple):
    """What is to be stored."""

    data: bytes  # sealed
    user: str | None
    ttl: float  # seconds until it ends
    lived: float = 0.0  # seconds that count as lived already
    enters: bool = False  # whether this is the user's login: the time of creation begins anew, and a limit counts
    device: Device = UNKNOWN


class Listed(NamedTuple):
    """A session as its user may see it."""

    digest: UUID
    created_at: datetime  # or when its user logged in
    seen_at: datetime
    expires_at: datetime
    lived: float
    device: Device


class Whole(NamedTuple):
    """A session as it is copied from one store to another."""

    version: int
    row: Row  # its ttl is what is left


class SessionPlace(ABC):
    """One store. Every method raises SessionStoreUnavailable where it does not answer; its clock alone counts."""

    @abstractmethod
    def read(self, digest: UUID) -> Stored | None:
        """Return what stands under ``digest``, or None. A copy may answer what is there, and never what is not."""

    @abstractmethod
    def read_newest(self, digest: UUID) -> Stored | None:
        """As read(), and never from a copy."""

    @abstractmethod
    def insert(self, digest: UUID, row: Row) -> bool:
        """Store a new session at version 1; return False, and change nothing, where ``digest`` is taken.

        Where its user enters and has ``max_per_user`` sessions the oldest ends, or SessionLimitReached is raised and
        nothing changes; of any number of logins at once, too. So with update() and rename().
        """

    @abstractmethod
    def update(self, digest: UUID, version: int, row: Row) -> bool:
        """Store ``row`` as the next version; return False, and change nothing, unless ``version`` stands."""

    @abstractmethod
    def rename(self, digest: UUID, version: int, row: Row, new: UUID) -> bool:
        """As update(), and put it under ``new``: nothing is left under ``digest``."""

    @abstractmethod
    def touch(self, digest: UUID, ttl: float, device: Device) -> None:
        """Put the end of a session off; do nothing where it has ended."""

    @abstractmethod
    def delete(self, digest: UUID, user: str | None = None) -> bool:
        """End a session, with ``user`` only if it is that user's; return whether there was one."""

    @abstractmethod
    def listed(self, user: str) -> list[Listed]:
        """Return what has not ended of ``user``, the last seen first; never from a copy."""

    @abstractmethod
    def delete_all(self, user: str, but: UUID | None) -> int:
        """End the sessions of ``user``, except ``but``, and return how many there were."""

    @abstractmethod
    def purge(self, batch: int) -> int:
        """Delete up to ``batch`` sessions that are over, oldest first, and return how many."""

    async def aread(self, digest: UUID) -> Stored | None:
        """See read()."""
        return await sync_to_async(self.read)(digest)

    async def aread_newest(self, digest: UUID) -> Stored | None:
        """See read_newest()."""
        return await sync_to_async(self.read_newest)(digest)

    async def ainsert(self, digest: UUID, row: Row) -> bool:
        """See insert()."""
        return await sync_to_async(self.insert)(digest, row)

    async def aupdate(self, digest: UUID, version: int, row: Row) -> bool:
        """See update()."""
        return await sync_to_async(self.update)(digest, version, row)

    async def arename(self, digest: UUID, version: int, row: Row, new: UUID) -> bool:
        """See rename()."""
        return await sync_to_async(self.rename)(digest, version, row, new)

    async def atouch(self, digest: UUID, ttl: float, device: Device) -> None:
        """See touch()."""
        await sync_to_async(self.touch)(digest, ttl, device)

    async def adelete(self, digest: UUID, user: str | None = None) -> bool:
        """See delete()."""
        return await sync_to_async(self.delete)(digest, user)

    async def alisted(self, user: str) -> list[Listed]:
        """See listed()."""
        return await sync_to_async(self.listed)(user)

    async def adelete_all(self, user: str, but: UUID | None) -> int:
        """See delete_all()."""
        return await sync_to_async(self.delete_all)(user, but)

    def read_former(self, value: str) -> dict[str, Any] | None:
        """Return what the engine before has for a cookie; see former.py."""
        return former_engine.read_former(value)

    async def aread_former(self, value: str) -> dict[str, Any] | None:
        """See read_former()."""
        return await former_engine.aread_former(value)

    def delete_former(self, value: str) -> None:
        """Delete it from the engine before."""
        former_engine.delete_former(value)

    async def adelete_former(self, value: str) -> None:
        """See delete_former()."""
        await former_engine.adelete_former(value)


class ReplicaPlace(SessionPlace):
    """A store that copies of sessions may lie in; see replicated.py."""

    @abstractmethod
    def put(self, digest: UUID, version: int, row: Row) -> bool:
        """Store ``row`` as ``version``; return False, and change nothing, where what stands is newer.

        Of one version the greater data counts, byte by byte, so that two stores agree whoever came first.
        """

    @abstractmethod
    def whole(self, digest: UUID) -> Whole | None:
        """Return all of what stands under ``digest``."""

    @abstractmethod
    def noted(self, user: str, most: int) -> list[tuple[UUID, bytes]]:
        """Return digest and data of up to ``most`` that are kept under the name of ``user``."""

    @abstractmethod
    def epoch(self) -> str:
        """Return what changes where the store may have forgotten something: by a restart, or another server."""
