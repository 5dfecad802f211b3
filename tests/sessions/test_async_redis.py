"""Redis in asyncio: on the loop itself, closed with it, made as the alias is, and never for longer than that says."""

import asyncio
import gc
import socket
import time
import uuid
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from unittest import mock

import pytest
from django.http import HttpResponse
from django.test import RequestFactory, override_settings
from redis import Redis
from redis.asyncio import connection as aio
from redis.backoff import NoBackoff
from redis.retry import Retry

from django_dist import redis_client
from django_dist.exceptions import SessionStoreUnavailable
from django_dist.sessions import SessionMiddleware
from django_dist.sessions.redis import SessionStore
from processes.clients import until
from services import needs, url
from settings import CACHES

SLACK_S = 5.0  # of a busy machine
CACHED = "django_redis.cache.RedisCache"


@contextmanager
def alias(location, **options):
    """Let sessions lie in ``location``."""
    caches = {**CACHES, "own": {"BACKEND": CACHED, "LOCATION": location, "OPTIONS": options}}
    given = {"default": {"OPTIONS": {"connection": "own", "prefix": f"test:{uuid.uuid4()}:"}}}
    with override_settings(CACHES=caches, SESSION_ENGINE="django_dist.sessions.redis", DIST_SESSIONS=given):
        yield


async def counting(request):
    await request.session.aset("n", await request.session.aget("n", 0) + 1)
    return HttpResponse(str(await request.session.aget("n")))


async def leaving(request):
    await request.session.acycle_key()
    await request.session.aflush()
    return HttpResponse()


async def visit(view, key=None):
    request = RequestFactory().get("/")
    if key:
        request.COOKIES["sessionid"] = key
    response = await SessionMiddleware(view)(request)
    return response, response.cookies["sessionid"].value if response.cookies else key


async def visits(n=3):
    key = None
    for _ in range(n):
        response, key = await visit(counting, key)
    await visit(leaving, key)
    return response.content


@needs("redis")
def test_whole_request_has_no_thread():
    with alias(url("redis")), mock.patch.object(ThreadPoolExecutor, "submit", side_effect=AssertionError("a thread")):
        assert asyncio.run(visits()) == b"3"


@needs("redis")
def test_loop_has_one_client_and_closes_it():
    name, seen = uuid.uuid4().hex, []

    async def several():
        await asyncio.gather(*(visits() for _ in range(20)))
        seen.append((len(redis_client._of_loops), lines()))

    def lines():
        """Return how many connections Redis has of ours."""
        return sum(each["name"] == name for each in server.client_list())

    with (
        alias(f"{url('redis')}?client_name={name}"),  # django-redis has one pool for aliases of one URL
        Redis.from_url(url("redis"), decode_responses=True) as server,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("error")
        for _ in range(3):
            asyncio.run(several())
            gc.collect()
            assert not redis_client._of_loops
            until(lambda: lines() == 0, "the end of the connections")
    assert all(clients == 1 and 0 < number <= 20 for clients, number in seen), seen


@needs("redis")
def test_loop_that_was_not_ended_in_order_is_forgotten():
    with alias(url("redis")):
        loop = asyncio.new_event_loop()
        place, pool = None, None
        loop.run_until_complete(visits())
        ((place, (client, _)),) = [item for item in redis_client._of_loops.items() if item[0][0] is loop]
        pool = client.connection_pool
        loop.run_until_complete(pool.disconnect())
        loop.close()
        asyncio.run(visits())
        assert place not in redis_client._of_loops


@pytest.mark.parametrize(
    ("location", "options", "kind", "shown"),
    [
        ("redis://:secret@127.0.0.1:7000/3", {}, aio.Connection, {"db": 3, "password": "secret", "port": 7000}),
        ("redis://127.0.0.1", {"PASSWORD": "secret", "SOCKET_TIMEOUT": 2}, aio.Connection, {"password": "secret"}),
        ("rediss://127.0.0.1/0?ssl_cert_reqs=none", {}, aio.SSLConnection, {}),
        ("unix:///run/redis.sock?db=2", {}, aio.UnixDomainSocketConnection, {"db": 2, "path": "/run/redis.sock"}),
        ("redis://h", {"CONNECTION_POOL_KWARGS": {"decode_responses": True}}, aio.Connection, {"host": "h"}),
    ],
)
def test_client_of_a_loop_connects_as_the_alias_does(location, options, kind, shown):
    async def made():
        pool = (await redis_client.aclient_of("own")).connection_pool
        connection = pool.make_connection()
        found = {name: getattr(connection, name) for name in shown}
        return type(connection), found, connection.encoder.decode_responses, connection.socket_timeout

    with alias(location, **options):
        assert asyncio.run(made()) == (kind, shown, False, options.get("SOCKET_TIMEOUT", redis_client.TIMEOUT_S))


@needs("redis")
def test_alias_without_a_twin_has_threads():
    """Of TLS nothing is left out: what asyncio does not know keeps the alias's own client."""

    async def none():
        assert await redis_client.aclient_of("own") is None
        return await visits()

    own = {"redis_connect_func": lambda connection: connection.on_connect()}
    with alias(f"{url('redis')}?client_name={uuid.uuid4().hex}", CONNECTION_POOL_KWARGS=own):
        assert asyncio.run(none()) == b"3"


RETRYING = {"retry": Retry(NoBackoff(), 5), "retry_on_timeout": True}


@contextmanager
def silent():
    """Give the port of a server that takes connections and says nothing, and the list of those that it took."""
    taken = []
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:

        def take():
            try:
                while True:
                    taken.append(listener.accept()[0])
            except OSError:
                pass

        pool.submit(take)
        try:
            yield listener.getsockname()[1], taken
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for each in taken:
                each.close()


@pytest.mark.parametrize("place", ["sync", "async"])
@pytest.mark.parametrize("retries", [{}, RETRYING], ids=["plain", "retrying"])
def test_silent_server_is_given_up_after_its_timeout(place, retries):
    timeout = 0.5
    with (
        silent() as (port, taken),
        alias(f"redis://127.0.0.1:{port}", SOCKET_TIMEOUT=timeout, CONNECTION_POOL_KWARGS=retries),
    ):
        began = time.monotonic()
        with pytest.raises(SessionStoreUnavailable):
            SessionStore("a" * 32).load() if place == "sync" else asyncio.run(SessionStore("a" * 32).aload())
        spent = time.monotonic() - began
        tries = len(taken)
    assert (tries, spent < 2 * timeout + SLACK_S) == (1, True), (tries, spent)
