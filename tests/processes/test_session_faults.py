"""A Redis of sessions that is killed, stands still, comes back with its data and without, or has a replica."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .clients import Reply, until
from .databases import Database
from .redises import DURABLE, FORGETFUL, OwnRedis, own_redis
from .servers import Server, gunicorn, uvicorn
from .visitors import Browser, in_redis

TIMEOUT_S = 2.0
#: What a busy machine may take beside the two time-outs that a visit may.
SLACK_S = 8.0
WRITES = (("read", {}), ("set", {"key": "lost"}), ("logout", {}), ("login", {}))


@contextmanager
def serving(database: Database, interface: str) -> Iterator[Server]:
    with gunicorn(database, workers=1, threads=4) if interface == "wsgi" else uvicorn(database) as server:
        yield server


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRedis]:
    with own_redis("redis", tmp_path_factory.mktemp("redis"), DURABLE) as redis:
        yield redis


@pytest.fixture(scope="module", params=["wsgi", "asgi"])
def servers(
    request: pytest.FixtureRequest, databases: Callable[[str], Database], redis: OwnRedis
) -> Iterator[dict[str, Browser]]:
    """A server that refuses while Redis does not answer, and one that serves everybody as nobody, of one store."""
    url = f"redis://127.0.0.1:{redis.port}/0"
    refusing = in_redis(databases("sqlite"), url, timeout=TIMEOUT_S)
    assert refusing.sessions is not None
    given = {"prefix": refusing.sessions["options"]["prefix"], "on_unavailable": "anonymous"}
    serves = in_redis(databases("sqlite"), url, timeout=TIMEOUT_S, **given)
    view = {"wsgi": "visit", "asgi": "avisit"}[request.param]
    with serving(refusing, request.param) as one, serving(serves, request.param) as other:
        yield {"refuse": Browser(one, view), "anonymous": Browser(other, view)}
        assert "Traceback" not in one.errors() + other.errors()


def logged_in(browser: Browser) -> Browser:
    """Return the browser of a user."""
    visitor = Browser(browser.server, browser.view)
    until(lambda: visitor.visit("login").status == 200, "a login")
    return visitor


def told(reply: Reply) -> tuple[int, str | None, bool]:
    """Return what a browser acts upon."""
    return reply.status, reply.headers.get("retry-after"), "set-cookie" in reply.headers


def assert_out(servers: dict[str, Browser], visitor: Browser) -> None:
    """While it lasts nobody loses a cookie, and nothing is written."""
    for what, query in WRITES:
        assert told(visitor.twin().visit(what, **query)) == (503, "1", False), what
    anonymous = Browser(servers["anonymous"].server, visitor.view, visitor.key)
    for what, query in WRITES[:2]:
        reply = anonymous.twin().visit(what, **query)
        assert (told(reply), reply.body) == ((200, None, False), b"{}"), what


def test_redis_that_is_killed_and_comes_back_has_logged_nobody_out(
    servers: dict[str, Browser], redis: OwnRedis
) -> None:
    visitor = logged_in(servers["refuse"])
    redis.kill()
    try:
        assert_out(servers, visitor)
    finally:
        redis.start()
    assert until(lambda: visitor.visit("read").status == 200, "an answer")
    assert visitor.found() == {"user": "alice"}


def test_redis_that_stands_still_and_goes_on_has_logged_nobody_out(
    servers: dict[str, Browser], redis: OwnRedis
) -> None:
    visitor = logged_in(servers["refuse"])
    with redis.standing_still():
        began = time.monotonic()
        assert told(visitor.twin().visit("set", key="lost")) == (503, "1", False)
        assert time.monotonic() - began < 2 * TIMEOUT_S + SLACK_S
        anonymous = Browser(servers["anonymous"].server, visitor.view, visitor.key)
        assert told(anonymous.visit("set", key="lost")) == (200, None, False)
    assert until(lambda: visitor.visit("read").status == 200, "an answer")
    assert visitor.found()["user"] == "alice"


def test_redis_that_has_forgotten_all_has_nobody_logged_in(servers: dict[str, Browser], redis: OwnRedis) -> None:
    for browser in servers.values():
        visitor = logged_in(browser)
        with redis.client() as client:
            client.flushall()
        reply = visitor.visit("read")
        assert (reply.status, reply.body, visitor.key) == (200, b"{}", None), "this is truly gone"
        assert "max-age=0" in reply.headers["set-cookie"].lower()


@pytest.fixture
def empty(databases: Callable[[str], Database], tmp_path: Path) -> Iterator[tuple[OwnRedis, OwnRedis]]:
    """A primary that keeps nothing, and its replica."""
    folders = [tmp_path / name for name in ("primary", "replica")]
    for folder in folders:
        folder.mkdir()
    with own_redis("redis", folders[0], [*FORGETFUL, "--repl-diskless-sync-delay", "0"]) as primary:
        of = ["--replicaof", "127.0.0.1", str(primary.port)]
        with own_redis("redis", folders[1], [*FORGETFUL, *of]) as replica:
            until(replica.follows, "a replica that has all")
            yield primary, replica


def test_replica_is_never_asked_and_a_restart_without_data_is_an_end(
    databases: Callable[[str], Database], empty: tuple[OwnRedis, OwnRedis]
) -> None:
    """Reads of an alias with a replica go to the primary: a replica that stands still, or lags, has no say."""
    primary, replica = empty
    urls = [f"redis://127.0.0.1:{each.port}/0" for each in (primary, replica)]
    with gunicorn(in_redis(databases("sqlite"), *urls), workers=1, threads=4) as server:
        visitor = logged_in(Browser(server))
        with replica.standing_still():
            for _ in range(10):
                assert visitor.found() == {"user": "alice"}
            tab = visitor.twin()
            assert visitor.visit("logout").status == 200
            assert tab.found() == {}, "the replica still has it"
        visitor = logged_in(Browser(server))
        primary.restart()
        until(lambda: visitor.visit("read").status == 200, "an answer")
        assert visitor.key is None
        assert "Traceback" not in server.errors()
