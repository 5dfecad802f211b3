"""``SESSION_ENGINE = "django_dist.sessions.redis"``: sessions in Redis or Valkey, through an alias of django-redis.

Not safe where Redis loses what it has acknowledged, by a restart, a failover or an eviction: those sessions are gone,
and one that was ended in that time may be back. Not on Redis Cluster, where a new key may lie elsewhere.
"""

import secrets
from datetime import datetime, timezone
from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils.timezone import make_naive

from ..exceptions import SessionLimitReached, SessionStoreUnavailable
from ..idempotency.redis_scripts import Script
from .device import Device
from .options import options
from .place import Listed, Row, SessionPlace, Stored
from .redis_scripts import DELETE, DELETE_ALL, INSERT, LIST, READ, RENAME, TOUCH, UPDATE
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
        found = self._run(READ, [_key(digest)])
        return None if not found else Stored(int(found[0]), found[1], int(found[2]) / 1000, int(found[3]) / 1000)

    read_newest = read

    def insert(self, digest: UUID, row: Row) -> bool:
        """See SessionPlace.insert()."""
        return _done(self._run(INSERT, [_key(digest)], *_values(row, 0)))

    def update(self, digest: UUID, version: int, row: Row) -> bool:
        """See SessionPlace.update()."""
        return _done(self._run(UPDATE, [_key(digest)], *_values(row, version)))

    def rename(self, digest: UUID, version: int, row: Row, new: UUID) -> bool:
        """See SessionPlace.rename()."""
        return _done(self._run(RENAME, [_key(digest), _key(new)], *_values(row, version)))

    def touch(self, digest: UUID, ttl: float, device: Device) -> None:
        """See SessionPlace.touch()."""
        self._run(TOUCH, [_key(digest)], _ms(ttl), *_fields(device))

    def delete(self, digest: UUID, user: str | None = None) -> bool:
        """See SessionPlace.delete()."""
        return bool(self._run(DELETE, [_key(digest)], (user or "").encode()))

    def listed(self, user: str) -> list[Listed]:
        """See SessionPlace.listed()."""
        found = [_listed(fields) for fields in self._run(LIST, [_index(user)], options().prefix.encode())]
        return sorted(found, key=lambda one: one.seen_at, reverse=True)

    def delete_all(self, user: str, but: UUID | None) -> int:
        """See SessionPlace.delete_all()."""
        spared = but.hex.encode() if but else b""
        return int(self._run(DELETE_ALL, [_index(user)], options().prefix.encode(), spared))

    def purge(self, batch: int) -> int:
        """Return 0: what is over is gone by itself."""
        return 0

    def _run(self, script: Script, keys: list[bytes], *values: bytes | int) -> Any:
        given = [len(keys), *keys, *values]
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


def _index(user: str) -> bytes:
    return f"{options().prefix}user:{user}".encode()


def _values(row: Row, version: int) -> list[bytes | int]:
    most = (options().max_per_user or 0) if row.enters else 0
    refuses = int(options().on_max == "refuse")
    user, writer = (row.user or "").encode(), secrets.token_bytes(8)
    return [row.data, user, writer, _ms(row.ttl), version, most, refuses, *_fields(row.device)]


def _fields(device: Device) -> list[bytes | int]:
    """Return what is known, as pairs for HSET."""
    pairs = ((b"i", device.ip), (b"a", device.agent))
    return [part for name, value in pairs if value is not None for part in (name, value.encode())]


def _done(answer: Any) -> bool:
    most = options().max_per_user
    if int(answer) < 0 and most is not None:
        raise SessionLimitReached(f"the user has {most} sessions already; end one of them", limit=most)
    return bool(answer)


def _listed(fields: list[Any]) -> Listed:
    member, created, seen, end, lived, ip, agent = fields
    device = Device(ip and ip.decode(), agent and agent.decode())
    return Listed(UUID(member.decode()), _time(created), _time(seen), _time(end), int(lived) / 1000, device)


def _time(ms: bytes) -> datetime:
    moment = datetime.fromtimestamp(int(ms) / 1000, timezone.utc)
    return moment if settings.USE_TZ else make_naive(moment, timezone.utc)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


class SessionStore(DistSession):
    """The engine."""

    place = RedisSessions()
