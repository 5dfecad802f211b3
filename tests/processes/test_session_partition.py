"""Copies of sessions where one web server has lost its way to Redis and another has not, and both have the database."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace

import pytest

from lengths import rounds
from services import url
from wheel_servers import free_port

from .clients import until
from .databases import Database
from .proxy import Proxy
from .redises import DURABLE, OwnRedis, own_redis
from .servers import Server, gunicorn
from .visitors import Browser, in_redis

SUSPICION_S = 0.2


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRedis]:
    with own_redis("redis", tmp_path_factory.mktemp("redis"), DURABLE) as redis:
        yield redis


@pytest.fixture(scope="module")
def line(redis: OwnRedis) -> Iterator[Proxy]:
    with closing(Proxy(("127.0.0.1", redis.port))) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def servers(databases: Callable[[str], Database], redis: OwnRedis, line: Proxy) -> Iterator[tuple[Server, Server]]:
    """One that reaches Redis itself, and one that reaches it by ``line``."""
    if url("postgres") is None:
        pytest.skip("postgres is not there")
    plain = copied(databases("postgres"), redis.port)
    assert plain.sessions is not None
    prefix = plain.sessions["options"]["prefix"]
    relayed = copied(databases("postgres"), line.port, prefix=prefix)
    with gunicorn(plain, workers=1, threads=2) as near, gunicorn(relayed, workers=1, threads=2) as far:
        yield near, far


def copied(database: Database, port: int, **options: str) -> Database:
    found = in_redis(database, f"redis://127.0.0.1:{port}/0", timeout=1.0, suspicion_ttl=SUSPICION_S, **options)
    assert found.sessions is not None
    return replace(found, sessions={**found.sessions, "engine": "django_dist.sessions.replicated"})


@contextmanager
def cut(line: Proxy, redis: OwnRedis) -> Iterator[None]:
    """Let ``line`` lead nowhere for the block."""
    line.turn(free_port())
    try:
        yield
    finally:
        line.turn(redis.port)


def test_logout_by_the_server_that_is_cut_off_is_seen_by_the_other(
    servers: tuple[Server, Server], line: Proxy, redis: OwnRedis
) -> None:
    near, far = servers
    for _ in range(rounds(3, 100)):
        here = Browser(near)
        assert here.visit("login").status == 200
        there = Browser(far, key=here.key)
        assert there.found() == here.found() != {}
        copy = here.key
        with cut(line, redis):
            assert there.visit("logout").status == 200
            until(lambda key=copy: Browser(near, key=key).found() == {}, "the logout to be seen")
        assert Browser(near, key=copy).found() == Browser(far, key=copy).found() == {}


def test_change_by_the_server_that_is_cut_off_is_seen_by_the_other(
    servers: tuple[Server, Server], line: Proxy, redis: OwnRedis
) -> None:
    near, far = servers
    here = Browser(near)
    assert here.visit("login").status == 200
    with cut(line, redis):
        there = Browser(far, key=here.key)
        assert there.visit("set", key="far").status == 200
        until(lambda: "far" in Browser(near, key=here.key).found(), "the change to be seen")
        assert Browser(near, key=here.key).visit("set", key="near").status == 200
    until(lambda: {"far", "near"} <= set(Browser(far, key=here.key).found()), "both changes to be seen")
