"""What sessions ask of Redis: the script, what it is given, and what its answer means."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.conf import settings
from django.utils.timezone import make_naive

from ..exceptions import SessionLimitReached
from ..idempotency.redis_scripts import Script
from .device import Device
from .options import options
from .place import Listed, Row, Stored, Whole
from .redis_scripts import DELETE, DELETE_ALL, INSERT, LIST, NOTED, PUT, READ, RENAME, TOUCH, UPDATE, WHOLE

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Call(Generic[Answer]):
    """One script, sent once."""

    script: Script
    keys: list[bytes]
    values: Sequence[bytes | int]
    meaning: Callable[[Any], Answer]

    @property
    def given(self) -> tuple[bytes | int, ...]:
        """What follows the script in its command."""
        return (len(self.keys), *self.keys, *self.values)


def read(digest: UUID) -> Call[Stored | None]:
    """See SessionPlace.read(), and so with the others."""
    return Call(READ, [_key(digest)], (), _stored)


def insert(digest: UUID, row: Row) -> Call[bool]:
    """Store a new session."""
    return Call(INSERT, [_key(digest)], _values(row, 0), _done)


def update(digest: UUID, version: int, row: Row) -> Call[bool]:
    """Store the next version."""
    return Call(UPDATE, [_key(digest)], _values(row, version), _done)


def rename(digest: UUID, version: int, row: Row, new: UUID) -> Call[bool]:
    """Store the next version under another key."""
    return Call(RENAME, [_key(digest), _key(new)], _values(row, version), _done)


def touch(digest: UUID, ttl: float, device: Device) -> Call[None]:
    """Put the end off."""
    return Call(TOUCH, [_key(digest)], [_ms(ttl), *_fields(device)], lambda _: None)


def delete(digest: UUID, user: str | None) -> Call[bool]:
    """End a session."""
    return Call(DELETE, [_key(digest)], [(user or "").encode()], bool)


def listed(user: str) -> Call[list[Listed]]:
    """List a user's sessions."""
    return Call(LIST, [_index(user)], [options().prefix.encode()], _list)


def delete_all(user: str, but: UUID | None) -> Call[int]:
    """End a user's sessions."""
    return Call(DELETE_ALL, [_index(user)], [options().prefix.encode(), but.hex.encode() if but else b""], int)


def put(digest: UUID, version: int, row: Row) -> Call[bool]:
    """Store a copy."""
    user, writer = (row.user or "").encode(), secrets.token_bytes(8)
    values: list[bytes | int] = [row.data, user, writer, _ms(row.ttl), version, _ms(row.lived)]
    return Call(PUT, [_key(digest)], [*values, *_fields(row.device)], bool)


def whole(digest: UUID) -> Call[Whole | None]:
    """Read what is to be copied."""
    return Call(WHOLE, [_key(digest)], (), _whole)


def noted(user: str, most: int) -> Call[list[tuple[UUID, bytes]]]:
    """Read what is kept under a name."""
    return Call(
        NOTED,
        [_index(user)],
        [options().prefix.encode(), most],
        lambda found: [(UUID(a.decode()), b) for a, b in found],
    )


def _whole(found: Any) -> Whole | None:
    if not found:
        return None
    version, data, user, lived, ttl, ip, agent = found
    device = Device(*(None if each is None else each.decode() for each in (ip, agent)))
    row = Row(data, user.decode() or None, int(ttl) / 1000, int(lived) / 1000, device=device)
    return Whole(int(version), row)


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


def _stored(found: Any) -> Stored | None:
    return None if not found else Stored(int(found[0]), found[1], int(found[2]) / 1000, int(found[3]) / 1000)


def _done(answer: Any) -> bool:
    most = options().max_per_user
    if int(answer) < 0 and most is not None:
        raise SessionLimitReached(f"the user has {most} sessions already; end one of them", limit=most)
    return bool(answer)


def _list(found: list[Any]) -> list[Listed]:
    return sorted(map(_listed, found), key=lambda one: one.seen_at, reverse=True)


def _listed(fields: list[Any]) -> Listed:
    member, created, seen, end, lived, ip, agent = fields
    device = Device(ip and ip.decode(), agent and agent.decode())
    return Listed(UUID(member.decode()), _time(created), _time(seen), _time(end), int(lived) / 1000, device)


def _time(ms: bytes) -> datetime:
    moment = datetime.fromtimestamp(int(ms) / 1000, timezone.utc)
    return moment if settings.USE_TZ else make_naive(moment, timezone.utc)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
