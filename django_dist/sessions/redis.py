"""``SESSION_ENGINE = "django_dist.sessions.redis"``: sessions in Redis or Valkey, through an alias of django-redis.

Not safe where Redis loses what it has acknowledged, by a restart, a failover or an eviction: those sessions are gone,
and one that was ended in that time may be back. Not on Redis Cluster, where a new key may lie elsewhere.
"""

import secrets
from typing import Any
from uuid import UUID

from ..exceptions import SessionStoreUnavailable
from ..idempotency.redis_scripts import Script
from .options import options
from .place import Row, SessionPlace, Stored
from .redis_scripts import INSERT, READ, RENAME, TOUCH, UPDATE
from .store import DistSession

try:
    from redis.exceptions import NoScriptError, RedisError

    from ..idempotency.redis_leases import client_of
except ImportError as error:
    raise ImportError(f"install django-dist[redis] ({error})") from error


class RedisSessions(SessionPlace):
    """Sessions as hashes that expire by themselves; one script a call."""

    def read(self, digest: UUID) -> Stored | None:
        """See SessionPlace.read(); always from the primary."""
        found = self._run(READ, [digest])
        return None if not found else Stored(int(found[0]), found[1], int(found[2]) / 1000, int(found[3]) / 1000)

    read_newest = read

    def insert(self, digest: UUID, row: Row) -> bool:
        """See SessionPlace.insert()."""
        return bool(self._run(INSERT, [digest], *_values(row), _ms(row.lived)))

    def update(self, digest: UUID, version: int, row: Row) -> bool:
        """See SessionPlace.update()."""
        return bool(self._run(UPDATE, [digest], *_values(row), version))

    def rename(self, digest: UUID, version: int, row: Row, new: UUID) -> bool:
        """See SessionPlace.rename()."""
        return bool(self._run(RENAME, [digest, new], *_values(row), version, _ms(row.lived)))

    def touch(self, digest: UUID, ttl: float) -> None:
        """See SessionPlace.touch()."""
        self._run(TOUCH, [digest], _ms(ttl))

    def delete(self, digest: UUID) -> None:
        """See SessionPlace.delete()."""
        self._send("DEL", _key(digest))

    def purge(self, batch: int) -> int:
        """Return 0: what is over is gone by itself."""
        return 0

    def _run(self, script: Script, digests: list[UUID], *values: bytes | int) -> Any:
        given = [len(digests), *map(_key, digests), *values]
        try:
            return self._send("EVALSHA", script.sha, *given)
        except NoScriptError:  # a server that was started since, or another one
            return self._send("EVAL", script.text, *given)

    def _send(self, *command: Any) -> Any:
        connection = options().connection
        try:
            # NEVER_DECODE: an answer is bytes, whatever decode_responses of the alias says.
            return client_of(connection).execute_command(*command, NEVER_DECODE=True)
        except NoScriptError:
            raise
        except RedisError as error:
            raise SessionStoreUnavailable(
                f"Redis of CACHES[{connection!r}] did not answer for a session: {error}"
            ) from error


def _key(digest: UUID) -> bytes:
    return f"{options().prefix}{digest.hex}".encode()


def _values(row: Row) -> list[bytes | int]:
    return [row.data, (row.user or "").encode(), secrets.token_bytes(8), _ms(row.ttl)]


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


class SessionStore(DistSession):
    """The engine."""

    place = RedisSessions()
