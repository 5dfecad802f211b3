"""A replica of Redis that is promoted while a request is at work: one that has all, and one that lacks it."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from .clients import new_order, until
from .databases import Database
from .proxy import Proxy
from .redises import FORGETFUL, ON_THE_LINE, OwnRedis, over_redis, own_redis
from .servers import Server, gunicorn
from .test_lease_redis import assert_paid
from .test_lease_redis_lost import FORGOTTEN, LATE, RERUN, UNAVAILABLE, assert_repeated, points, told
from .test_leases import go_on, standing

PATIENCE_MS = 5000


@pytest.fixture(scope="module")
def proxy() -> Iterator[Proxy]:
    with closing(Proxy(("127.0.0.1", 1))) as proxy:
        yield proxy


@pytest.fixture(scope="module")
def database(databases: Callable[[str], Database], proxy: Proxy) -> Database:
    return over_redis(databases("sqlite"), proxy.port)


@pytest.fixture(scope="module")
def server(database: Database) -> Iterator[Server]:
    with gunicorn(database, workers=4) as server:
        yield server
        assert "Traceback" not in server.errors()


@pytest.fixture(params=ON_THE_LINE)
def primary(request: pytest.FixtureRequest, proxy: Proxy, tmp_path: Path) -> Iterator[OwnRedis]:
    (folder := tmp_path / "primary").mkdir()
    with own_redis(request.param, folder, [*FORGETFUL, "--repl-diskless-sync-delay", "0"]) as primary:
        proxy.turn(primary.port)
        yield primary


@pytest.fixture
def replica(request: pytest.FixtureRequest, primary: OwnRedis, tmp_path: Path) -> Iterator[OwnRedis]:
    (folder := tmp_path / "replica").mkdir()
    of = ["--replicaof", "127.0.0.1", str(primary.port)]
    with own_redis(request.node.callspec.params["primary"], folder, [*FORGETFUL, *of]) as replica:
        until(replica.follows, "a replica that has all")
        yield replica


@points
@pytest.mark.parametrize("lacking", [False, True], ids=["complete", "lacking"])
def test_view_outlives_a_failover_to_a_replica_that_has_all_alone(
    server: Server, database: Database, proxy: Proxy, primary: OwnRedis, replica: OwnRedis, point: str, lacking: bool
) -> None:
    order = new_order()
    if lacking:
        replica.promote()  # it hears no more of what the primary acknowledges
    with standing(server, RERUN, order, point) as (_, late):
        if not lacking:
            with primary.client() as client:
                assert client.wait(1, PATIENCE_MS) == 1
        primary.kill()
        replica.promote()
        proxy.turn(replica.port)
        go_on(server, order)
        reply = late.result()
    if lacking:
        assert told(reply) == LATE
        assert_repeated(server, database, order, FORGOTTEN[point])
    else:
        assert (reply.status, reply.replayed) == (201, False)
        assert server.post(RERUN, order).replayed
        assert_paid(server, database, order, runs=1)


def test_replica_that_is_not_promoted_is_as_a_redis_that_is_down(
    server: Server, proxy: Proxy, primary: OwnRedis, replica: OwnRedis
) -> None:
    order = new_order()
    proxy.turn(replica.port)
    assert told(server.post(RERUN, order)) == UNAVAILABLE
    assert server.notes("ran", order) == []
    proxy.turn(primary.port)
    assert server.post(RERUN, order).status == 201
