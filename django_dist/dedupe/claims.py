"""Claim keys inside the caller's transaction. Not for effects outside that database: a mail does not roll back."""

from collections.abc import Iterable
from typing import Final, TypeVar
from uuid import UUID

from asgiref.sync import sync_to_async
from django.db import connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from ..exceptions import OutsideAtomic
from ..idempotency.digests import digest_of
from ..models import DedupeEntry
from .blocks import is_of_another_task, is_of_caller
from .sql import taker_for

LONGEST_SCOPE: Final = 100
LONGEST_TTL: Final = 1_000_000_000.0  # seconds; years that every database can add
Key = TypeVar("Key", bound=str | bytes | int | UUID)


def claim(scope: str, key: str | bytes | int | UUID, *, ttl: float | None = None, using: str | None = None) -> bool:
    """Return whether ``key`` is claimed in ``scope`` by this very call, for the first time.

    The claim is a row that commits with the caller's other writes: whoever wins does its work in the same
    transaction. If that is rolled back or its process killed, the key is free again. While another
    transaction holds the key, this waits for its end.

    ``ttl`` is how many seconds the key counts from now on, by the database's clock: longer than any repeat may be
    late; None is for ever. ``using`` is the database of the caller's writes, by default that of the router.

    Raises OutsideAtomic outside of ``transaction.atomic()``; ValueError or TypeError for an empty key, or one that
    is not a str, bytes, int or UUID: the number 7 and the text "7" are one key.
    """
    check_bounds(scope, ttl)
    return bool(_won(caller_connection(using), [digest_for(scope, key)], scope, ttl))


def claim_many(scope: str, keys: Iterable[Key], *, ttl: float | None = None, using: str | None = None) -> set[Key]:
    """Return those of ``keys`` that this call has claimed; see claim().

    It takes one statement (two on MySQL), in an order that is the same for all, so that two calls with
    the same keys never end in a deadlock.
    """
    check_bounds(scope, ttl)
    asked: dict[UUID, Key] = {}
    for key in keys:
        asked.setdefault(digest_for(scope, key), key)
    connection = caller_connection(using)
    return {asked[digest] for digest in _won(connection, sorted(asked), scope, ttl)} if asked else set()


def _won(connection: BaseDatabaseWrapper, digests: list[UUID], scope: str, ttl: float | None) -> set[UUID]:
    # A failed statement may have ended the transaction (a deadlock on MariaDB): nothing more is to be written in it.
    with transaction.mark_for_rollback_on_error(using=connection.alias), connection.cursor() as cursor:
        return taker_for(connection)(cursor, digests, scope, ttl)


async def aclaim(
    scope: str, key: str | bytes | int | UUID, *, ttl: float | None = None, using: str | None = None
) -> bool:
    """See claim(). The transaction is that of the thread on which Django's async ORM calls of this task run.

    Such a one is open in a coroutine under ``@once`` or ``@idempotent``, and nowhere else by itself.
    """
    return await sync_to_async(claim)(scope, key, ttl=ttl, using=using)


async def aclaim_many(
    scope: str, keys: Iterable[Key], *, ttl: float | None = None, using: str | None = None
) -> set[Key]:
    """See claim_many() and aclaim()."""
    return await sync_to_async(claim_many)(scope, keys, ttl=ttl, using=using)


def digest_for(scope: str, key: str | bytes | int | UUID) -> UUID:
    """Return the digest of ``key`` in ``scope``; TypeError or ValueError for what is that of many."""
    if isinstance(key, bool) or not isinstance(key, (str, bytes, int, UUID)):
        raise TypeError(f"a key is a str, bytes, int or UUID, not {type(key).__name__}")
    if isinstance(key, int):
        key = int(key)  # str() of an IntEnum is its name before Python 3.11, and its number since
    part = key if isinstance(key, (str, bytes)) else str(key)
    if not part:
        raise ValueError(f"an empty key in scope {scope!r}: all messages without an id would be one")
    return digest_of(["dedupe", scope, part])


def caller_connection(using: str | None) -> BaseDatabaseWrapper:
    """Return the connection of ``using``; raises OutsideAtomic where the transaction of a claim is not its caller's."""
    connection = connections[using or router.db_for_write(DedupeEntry)]
    if not is_of_caller(connection):
        raise OutsideAtomic(
            f"a claim outside of transaction.atomic(using={connection.alias!r}) would last though what follows fails, "
            "and the message be lost; open it around the claim and its effects, or use @once"
        )
    if is_of_another_task(connection):
        raise OutsideAtomic(
            f"another task of this thread is at work under @once on database {connection.alias!r}; await one after the "
            "other, or run the tasks by asyncio.run(), which gives each a connection of its own"
        )
    return connection


def check_bounds(scope: str, ttl: float | None) -> None:
    """Raise ValueError where a scope is empty or too long, or a ttl cannot be."""
    if not 0 < len(scope) <= LONGEST_SCOPE:
        raise ValueError(f"a scope has 1 to {LONGEST_SCOPE} characters, not {len(scope)}")
    if ttl is not None and not 0 < ttl <= LONGEST_TTL:
        raise ValueError(f"ttl must be above 0 and at most {LONGEST_TTL:.0f} seconds, not {ttl}; None is for ever")
