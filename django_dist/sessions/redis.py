"""``SESSION_ENGINE = "django_dist.sessions.redis"``: sessions in Redis or Valkey, through an alias of django-redis.

Not safe where Redis loses what it has acknowledged, by a restart, a failover or an eviction: those sessions are gone,
and one that was ended in that time may be back. Not on Redis Cluster, where a new key may lie elsewhere.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar
from uuid import UUID

from asgiref.sync import sync_to_async

from ..exceptions import SessionStoreUnavailable
from . import redis_calls as calls
from .device import Device
from .options import options
from .place import Listed, Row, SessionPlace, Stored
from .redis_calls import Call
from .store import DistSession

try:
    from redis.exceptions import NoScriptError, RedisError

    from .redis_client import aclient_of, client_of
except ImportError as error:
    raise ImportError(f"install django-dist[redis] ({error})") from error

Answer = TypeVar("Answer")


class RedisSessions(SessionPlace):
    """Sessions as hashes that expire by themselves; one script a call, sent to the primary alone."""

    def read(self, digest: UUID) -> Stored | None:
        """See SessionPlace.read(); never from a copy."""
        return _run(calls.read(digest))

    read_newest = read

    def insert(self, digest: UUID, row: Row) -> bool:
        """See SessionPlace.insert()."""
        return _run(calls.insert(digest, row))

    def update(self, digest: UUID, version: int, row: Row) -> bool:
        """See SessionPlace.update()."""
        return _run(calls.update(digest, version, row))

    def rename(self, digest: UUID, version: int, row: Row, new: UUID) -> bool:
        """See SessionPlace.rename()."""
        return _run(calls.rename(digest, version, row, new))

    def touch(self, digest: UUID, ttl: float, device: Device) -> None:
        """See SessionPlace.touch()."""
        _run(calls.touch(digest, ttl, device))

    def delete(self, digest: UUID, user: str | None = None) -> bool:
        """See SessionPlace.delete()."""
        return _run(calls.delete(digest, user))

    def listed(self, user: str) -> list[Listed]:
        """See SessionPlace.listed()."""
        return _run(calls.listed(user))

    def delete_all(self, user: str, but: UUID | None) -> int:
        """See SessionPlace.delete_all()."""
        return _run(calls.delete_all(user, but))

    def purge(self, batch: int) -> int:
        """Return 0: what is over is gone by itself."""
        return 0

    # -- in asyncio --

    async def aread(self, digest: UUID) -> Stored | None:
        """See SessionPlace.aread()."""
        return await _arun(calls.read(digest))

    aread_newest = aread

    async def ainsert(self, digest: UUID, row: Row) -> bool:
        """See SessionPlace.ainsert()."""
        return await _arun(calls.insert(digest, row))

    async def aupdate(self, digest: UUID, version: int, row: Row) -> bool:
        """See SessionPlace.aupdate()."""
        return await _arun(calls.update(digest, version, row))

    async def arename(self, digest: UUID, version: int, row: Row, new: UUID) -> bool:
        """See SessionPlace.arename()."""
        return await _arun(calls.rename(digest, version, row, new))

    async def atouch(self, digest: UUID, ttl: float, device: Device) -> None:
        """See SessionPlace.atouch()."""
        await _arun(calls.touch(digest, ttl, device))

    async def adelete(self, digest: UUID, user: str | None = None) -> bool:
        """See SessionPlace.adelete()."""
        return await _arun(calls.delete(digest, user))

    async def alisted(self, user: str) -> list[Listed]:
        """See SessionPlace.alisted()."""
        return await _arun(calls.listed(user))

    async def adelete_all(self, user: str, but: UUID | None) -> int:
        """See SessionPlace.adelete_all()."""
        return await _arun(calls.delete_all(user, but))


def _run(call: Call[Answer]) -> Answer:
    with _told() as connection:
        client = client_of(connection)
        # NEVER_DECODE: an answer is bytes, whatever decode_responses of the alias says.
        try:
            answer = client.execute_command("EVALSHA", call.script.sha, *call.given, NEVER_DECODE=True)
        except NoScriptError:  # a server that was started since, or another one
            answer = client.execute_command("EVAL", call.script.text, *call.given, NEVER_DECODE=True)
    return call.meaning(answer)


async def _arun(call: Call[Answer]) -> Answer:
    with _told() as connection:
        if (client := await aclient_of(connection)) is None:
            return await sync_to_async(_run)(call)
        try:
            answer = await client.execute_command("EVALSHA", call.script.sha, *call.given)
        except NoScriptError:
            answer = await client.execute_command("EVAL", call.script.text, *call.given)
    return call.meaning(answer)


@contextmanager
def _told() -> Iterator[str]:
    connection = options().connection
    try:
        yield connection
    except RedisError as error:
        raise SessionStoreUnavailable(
            f"Redis of CACHES[{connection!r}] did not answer for a session: {error}"
        ) from error


class SessionStore(DistSession):
    """The engine."""

    place = RedisSessions()
