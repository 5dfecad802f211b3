"""The clients that send scripts: one of all threads, and one of each event loop, made of an alias of django-redis.

Not bounded by us where the alias finds its Redis by Sentinel: there its own time-outs and retries count.
"""

import asyncio
import inspect
from collections.abc import AsyncGenerator
from functools import cache
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.signals import setting_changed
from django.utils.module_loading import import_string
from django_redis.cache import RedisCache
from redis import Redis
from redis import asyncio as aio
from redis.connection import Connection, ConnectionPool, SSLConnection, UnixDomainSocketConnection
from redis.exceptions import NoScriptError

from .exceptions import InvalidBackend
from .idempotency.redis_leases import client_of as client_of_alias
from .idempotency.redis_scripts import Script

#: Where the alias, or its redis-py, lets a socket wait for ever.
TIMEOUT_S: Final = 5.0
RETRIES: Final = ("retry", "retry_on_timeout", "retry_on_error")
#: What is of the threads' connections alone, or has no meaning for ours: the answers are read as bytes.
OF_THREADS: Final = ("parser_class", "decode_responses", "encoding", "encoding_errors", "command_packer")
#: What a pool of redis-py 7 and newer adds for itself, by how it begins.
OF_THE_POOL: Final = ("maint", "orig_", "oss_", "himport_")
#: Connections of an event loop; who finds none free waits for one, no longer than for an answer.
MOST_CONNECTIONS: Final = 50
TWINS: Final = {
    Connection: aio.Connection,
    SSLConnection: aio.SSLConnection,
    UnixDomainSocketConnection: aio.UnixDomainSocketConnection,
}
_of_loops: Final[dict[tuple[asyncio.AbstractEventLoop, Any], tuple[Any, Any]]] = {}


def require_django_redis(connection: str, where: str) -> None:
    """Raise InvalidBackend unless ``connection`` is an alias of CACHES made with django-redis; ``where`` names it."""
    entry = settings.CACHES.get(connection)
    if not entry or not issubclass(import_string(entry["BACKEND"]), RedisCache):
        raise InvalidBackend(
            f"{where}: connection {connection!r} must be an alias of CACHES with BACKEND "
            f"'django_redis.cache.RedisCache'; CACHES has {sorted(settings.CACHES)}"
        )


@cache
def client_of(connection: str) -> Any:
    """Return the client of all threads. It tries once, and waits for its socket no longer than the alias says.

    That is the alias's own, unless that one would try again, or wait for ever.
    """
    client = client_of_alias(connection)
    pool = client.connection_pool
    if pool.connection_class not in TWINS or _is_bounded(pool):
        return client
    return Redis(connection_pool=ConnectionPool(connection_class=pool.connection_class, **_bounded(pool)))


def _is_bounded(pool: Any) -> bool:
    sample = pool.connection_class(**pool.connection_kwargs)  # opens nothing
    tries_once = sample.retry._retries == 0
    return tries_once and sample.socket_timeout is not None and type(pool) is ConnectionPool


def _bounded(pool: Any) -> dict[str, Any]:
    """Return how ``pool`` connects, without its retries."""
    given: dict[str, Any] = pool.connection_kwargs
    plain = {name: value for name, value in given.items() if name not in RETRIES and not name.startswith(OF_THE_POOL)}
    wait = plain.get("socket_timeout") or TIMEOUT_S
    return {**plain, "socket_timeout": wait, "socket_connect_timeout": plain.get("socket_connect_timeout") or wait}


async def aclient_of(connection: str) -> Any | None:
    """Return the client of this event loop, which is closed with it; None where the alias has no twin in asyncio."""
    place = asyncio.get_running_loop(), client_of_alias(connection)
    if (known := _of_loops.get(place)) is not None:
        return known[0]
    if (pool := _twin(place[1].connection_pool)) is None:
        return None
    for gone in [each for each in _of_loops if each[0].is_closed()]:
        del _of_loops[gone]
    client = aio.Redis(connection_pool=pool)
    keeper = _keep(place, pool)
    _of_loops[place] = client, keeper
    await anext(keeper)
    return client


def _twin(pool: Any) -> Any | None:
    """Return a pool in asyncio that connects as ``pool`` does."""
    twin = TWINS.get(pool.connection_class)
    given = {name: value for name, value in _bounded(pool).items() if name not in OF_THREADS}
    # Such as an option of TLS, which must not be left out.
    if twin is None or "redis_connect_func" in given or given.keys() - _accepted(twin):
        return None
    most = min(pool.max_connections, MOST_CONNECTIONS)
    wait = given["socket_timeout"]
    return aio.BlockingConnectionPool(connection_class=twin, max_connections=most, timeout=wait, **given)


def _accepted(kind: type) -> set[str]:
    """Return the keywords of a class of connections, those of what it is made of, too."""
    made_of = [each for each in kind.__mro__ if "__init__" in vars(each) and each is not object]
    return {name for each in made_of for name in inspect.signature(each).parameters}


async def _keep(place: tuple[asyncio.AbstractEventLoop, Any], pool: Any) -> AsyncGenerator[None, None]:
    """Close ``pool`` when its loop ends, which ends the generators that it knows."""
    try:
        yield
    finally:
        _of_loops.pop(place, None)
        await pool.disconnect()


def run(script: Script, given: tuple[bytes | int, ...], connection: str) -> Any:
    """Return what ``script`` answers to ``given``, the number of its keys first; raises RedisError."""
    client = client_of(connection)
    # NEVER_DECODE: an answer is bytes, whatever decode_responses of the alias says.
    try:
        return client.execute_command("EVALSHA", script.sha, *given, NEVER_DECODE=True)
    except NoScriptError:  # a server that was started since, or another one
        return client.execute_command("EVAL", script.text, *given, NEVER_DECODE=True)


async def arun(script: Script, given: tuple[bytes | int, ...], connection: str) -> Any:
    """See run(); on a thread where the alias has no twin in asyncio."""
    if (client := await aclient_of(connection)) is None:
        return await sync_to_async(run)(script, given, connection)
    try:
        return await client.execute_command("EVALSHA", script.sha, *given)
    except NoScriptError:
        return await client.execute_command("EVAL", script.text, *given)


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "CACHES":
        client_of.cache_clear()


setting_changed.connect(_forget)
