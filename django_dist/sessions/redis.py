"""``SESSION_ENGINE = "django_dist.sessions.redis"``: sessions in Redis or Valkey, through an alias of django-redis.

Not safe where Redis loses what it has acknowledged, by a restart, a failover or an eviction: those sessions are gone,
and one that was ended in that time may be back. Not on Redis Cluster, where a new key may lie elsewhere.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar
from uuid import UUID

from ..exceptions import SessionStoreUnavailable
from . import redis_calls as calls
from .device import Device
from .options import options
from .place import Listed, ReplicaPlace, Row, Stored, Whole
from .redis_calls import Call
from .store import DistSession

try:
    from redis.exceptions import RedisError

    from ..redis_client import arun, client_of, run
except ImportError as error:
    raise ImportError(f"install django-dist[redis] ({error})") from error

Answer = TypeVar("Answer")


class RedisSessions(ReplicaPlace):
    """Sessions as hashes that expire by themselves; one script a call, sent to the primary alone."""

    def __init__(self, connection: str | None = None) -> None:
        self._connection = connection  # an alias of CACHES; None is that of the options

    def _run(self, call: Call[Answer]) -> Answer:
        return _run(call, self._connection)

    async def _arun(self, call: Call[Answer]) -> Answer:
        return await _arun(call, self._connection)

    def read(self, digest: UUID) -> Stored | None:
        """See SessionPlace.read(); never from a copy."""
        return self._run(calls.read(digest))

    read_newest = read

    def insert(self, digest: UUID, row: Row) -> bool:
        """See SessionPlace.insert()."""
        return self._run(calls.insert(digest, row))

    def update(self, digest: UUID, version: int, row: Row) -> bool:
        """See SessionPlace.update()."""
        return self._run(calls.update(digest, version, row))

    def rename(self, digest: UUID, version: int, row: Row, new: UUID) -> bool:
        """See SessionPlace.rename()."""
        return self._run(calls.rename(digest, version, row, new))

    def touch(self, digest: UUID, ttl: float, device: Device) -> None:
        """See SessionPlace.touch()."""
        self._run(calls.touch(digest, ttl, device))

    def delete(self, digest: UUID, user: str | None = None) -> bool:
        """See SessionPlace.delete()."""
        return self._run(calls.delete(digest, user))

    def listed(self, user: str) -> list[Listed]:
        """See SessionPlace.listed()."""
        return self._run(calls.listed(user))

    def delete_all(self, user: str, but: UUID | None) -> int:
        """See SessionPlace.delete_all()."""
        return self._run(calls.delete_all(user, but))

    def purge(self, batch: int) -> int:
        """Return 0: what is over is gone by itself."""
        return 0

    # -- as one of several --

    def put(self, digest: UUID, version: int, row: Row) -> bool:
        """See ReplicaPlace.put()."""
        return self._run(calls.put(digest, version, row))

    def whole(self, digest: UUID) -> Whole | None:
        """See ReplicaPlace.whole()."""
        return self._run(calls.whole(digest))

    def noted(self, user: str, most: int) -> list[tuple[UUID, bytes]]:
        """See ReplicaPlace.noted()."""
        return self._run(calls.noted(user, most))

    def epoch(self) -> str:
        """See ReplicaPlace.epoch(): what a server calls itself, anew with each start."""
        with _told(self._connection) as connection:
            told = client_of(connection).execute_command("INFO", "server")
        return str(told["run_id"])

    # -- in asyncio --

    async def aread(self, digest: UUID) -> Stored | None:
        """See SessionPlace.aread()."""
        return await self._arun(calls.read(digest))

    aread_newest = aread

    async def ainsert(self, digest: UUID, row: Row) -> bool:
        """See SessionPlace.ainsert()."""
        return await self._arun(calls.insert(digest, row))

    async def aupdate(self, digest: UUID, version: int, row: Row) -> bool:
        """See SessionPlace.aupdate()."""
        return await self._arun(calls.update(digest, version, row))

    async def arename(self, digest: UUID, version: int, row: Row, new: UUID) -> bool:
        """See SessionPlace.arename()."""
        return await self._arun(calls.rename(digest, version, row, new))

    async def atouch(self, digest: UUID, ttl: float, device: Device) -> None:
        """See SessionPlace.atouch()."""
        await self._arun(calls.touch(digest, ttl, device))

    async def adelete(self, digest: UUID, user: str | None = None) -> bool:
        """See SessionPlace.adelete()."""
        return await self._arun(calls.delete(digest, user))

    async def alisted(self, user: str) -> list[Listed]:
        """See SessionPlace.alisted()."""
        return await self._arun(calls.listed(user))

    async def adelete_all(self, user: str, but: UUID | None) -> int:
        """See SessionPlace.adelete_all()."""
        return await self._arun(calls.delete_all(user, but))


def _run(call: Call[Answer], connection: str | None) -> Answer:
    with _told(connection) as alias:
        answer = run(call.script, call.given, alias)
    return call.meaning(answer)


async def _arun(call: Call[Answer], connection: str | None) -> Answer:
    with _told(connection) as alias:
        answer = await arun(call.script, call.given, alias)
    return call.meaning(answer)


@contextmanager
def _told(named: str | None) -> Iterator[str]:
    connection = named or options().connection
    try:
        yield connection
    except RedisError as error:
        raise SessionStoreUnavailable(
            f"Redis of CACHES[{connection!r}] did not answer for a session: {error}"
        ) from error


class SessionStore(DistSession):
    """The engine."""

    place = RedisSessions()
