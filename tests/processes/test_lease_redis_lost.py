"""Redis killed while a request is at work, with its data or without: what it gets, and what the repeat gets."""

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from lengths import rounds

from .clients import Reply, new_order, until
from .databases import Database
from .redises import DURABLE, FORGETFUL, OwnRedis, over_redis, own_redis
from .servers import Server, gunicorn
from .test_lease_redis import assert_paid, rows_of_tries
from .test_leases import calls, go_on, standing

KINDS = {"durable": DURABLE, "forgetful": FORGETFUL}
RERUN, HOLD = "outside/rerun", "outside/hold"
UNAVAILABLE, UNKNOWN, LATE = (503, "store-unavailable"), (503, "outcome-unknown"), (409, "lease-lost")
#: Where the view stands when Redis is lost: before a step, in it, and after all that it writes itself.
POINTS = ("before-ship", "in-ship", "written")
#: What the request gets that finds Redis gone there.
DOWN = dict(zip(POINTS, (UNAVAILABLE, UNAVAILABLE, UNKNOWN), strict=True))
#: How often each step was called when the repeat has its answer: where Redis keeps all, and where it keeps nothing.
KEPT = dict(zip(POINTS, ([1, 1, 1], [1, 2, 1], [1, 1, 1]), strict=True))
FORGOTTEN = dict(zip(POINTS, ([2, 1, 1], [2, 2, 1], [2, 2, 2]), strict=True))
points = pytest.mark.parametrize("point", POINTS)
forgetful = pytest.mark.parametrize("redis", ["forgetful"], indirect=True)
durable = pytest.mark.parametrize("redis", ["durable"], indirect=True)


@pytest.fixture(scope="module", params=["redis", "valkey"])
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module", params=KINDS)
def redis(request: pytest.FixtureRequest, name: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRedis]:
    with own_redis(name, tmp_path_factory.mktemp(name), KINDS[request.param]) as redis:
        yield redis


@pytest.fixture(scope="module")
def database(databases: Callable[[str], Database], redis: OwnRedis) -> Database:
    return over_redis(databases("sqlite"), redis.port)


@pytest.fixture(scope="module")
def server(database: Database) -> Iterator[Server]:
    with gunicorn(database, workers=4) as server:
        yield server
        assert "Traceback" not in server.errors()


def told(reply: Reply) -> tuple[int, str]:
    """Return what a client sees of a refusal."""
    return reply.status, reply.problem


def assert_repeated(server: Server, database: Database, order: str, called: list[int]) -> None:
    """The repeat runs the view again; the bank knows the keys, and has taken each once."""
    reply = server.post(RERUN, order)
    assert (reply.status, reply.replayed) == (201, False)
    assert calls(server, "called", order) == called
    assert calls(server, "took", order) == [1, 1, 1]
    assert rows_of_tries(database, order) == len(server.notes("ran", order)) == 2
    assert database.effects(order) == 1
    assert server.post(RERUN, order).body == reply.body


@points
def test_view_outlives_a_restart_that_keeps_the_data_alone(
    server: Server, database: Database, redis: OwnRedis, point: str, tell: Callable[[str], None]
) -> None:
    count, keeps = rounds(1, 30), redis.options == DURABLE
    for _ in range(count):
        order = new_order()
        with standing(server, RERUN, order, point) as (_, late):
            redis.restart()
            go_on(server, order)
            reply = late.result()
        if keeps:
            assert (reply.status, reply.replayed) == (201, False)
            assert server.post(RERUN, order).replayed
            assert_paid(server, database, order, runs=1)
        else:
            assert told(reply) == LATE
            assert_repeated(server, database, order, FORGOTTEN[point])
    tell(f"{count} restarts, steps called {[1, 1, 1] if keeps else FORGOTTEN[point]}")


@points
def test_redis_that_is_down_is_503_and_the_repeat_goes_on_from_what_it_kept(
    server: Server, database: Database, redis: OwnRedis, point: str, tell: Callable[[str], None]
) -> None:
    count, keeps = rounds(1, 30), redis.options == DURABLE
    for _ in range(count):
        order, other = new_order(), new_order()
        with standing(server, RERUN, order, point) as (_, late):
            redis.kill()
            go_on(server, order)
            assert told(late.result()) == DOWN[point]
        assert told(server.post(RERUN, other)) == UNAVAILABLE
        assert server.notes("ran", other) == []
        redis.start()
        assert_repeated(server, database, order, (KEPT if keeps else FORGOTTEN)[point])
    tell(f"{count} kills, steps called {(KEPT if keeps else FORGOTTEN)[point]}")


@forgetful
@points
def test_repeat_beside_a_view_that_redis_has_forgotten(
    server: Server, database: Database, redis: OwnRedis, point: str
) -> None:
    order = new_order()
    with standing(server, RERUN, order, point) as (_, late):
        redis.restart()
        second = server.post(RERUN, order)
        assert (second.status, second.replayed) == (201, False)
        go_on(server, order)
        reply = late.result()
    if point == "written":
        assert (reply.status, reply.replayed, reply.body) == (201, True, second.body)
    else:
        assert told(reply) == LATE
    assert calls(server, "called", order) == FORGOTTEN[point]
    assert (rows_of_tries(database, order), database.effects(order)) == (2, 1)


@forgetful
def test_answer_that_redis_has_forgotten_is_made_again(server: Server, database: Database, redis: OwnRedis) -> None:
    order = new_order()
    first = server.post(RERUN, order)
    redis.restart()
    second = server.post(RERUN, order)
    assert (first.status, second.status, second.replayed) == (201, 201, False)
    assert calls(server, "called", order) == [2, 2, 2]
    assert calls(server, "took", order) == [1, 1, 1]
    assert (rows_of_tries(database, order), database.effects(order)) == (2, 1)


@durable
def test_kills_at_random_call_no_step_twice_that_must_not_be(
    server: Server, redis: OwnRedis, tell: Callable[[str], None]
) -> None:
    count, held, refused = rounds(4, 100), 0, 0
    for _ in range(count):
        orders = [new_order() for _ in range(6)]
        refused += paid_under_a_kill(server, redis, HOLD, orders)
        for order in orders:
            reply, called = server.post(HOLD, order), calls(server, "called", order)
            assert max(called) <= 1
            if called == [1, 1, 1] and reply.replayed:
                continue
            assert told(reply) == (409, "outcome-held")
            held += 1
    assert refused
    tell(f"{count} kills of Redis among {6 * count} orders, {refused} refusals, {held} held, no step called twice")


@forgetful
def test_kills_at_random_double_nothing_for_who_knows_the_keys(
    server: Server, database: Database, redis: OwnRedis, tell: Callable[[str], None]
) -> None:
    count, doubled = rounds(4, 100), 0
    for _ in range(count):
        orders = [new_order() for _ in range(6)]
        paid_under_a_kill(server, redis, RERUN, orders)
        for order in orders:
            assert calls(server, "took", order) == [1, 1, 1]
            assert database.effects(order) == 1
            doubled += max(calls(server, "called", order)) > 1
    tell(f"{count} kills of Redis among {6 * count} orders, steps called again in {doubled}, taken once each")


def paid_under_a_kill(server: Server, redis: OwnRedis, path: str, orders: list[str]) -> int:
    """Send ``orders`` until each is paid or held, kill Redis meanwhile; return how often they were refused."""
    with ThreadPoolExecutor(4) as pool:
        killed = pool.submit(lambda: (time.sleep(random.uniform(0, 0.05)), redis.restart()))
        refused = sum(pool.map(partial(until_paid_or_held, server, path), orders))
        killed.result()
    return refused


def until_paid_or_held(server: Server, path: str, order: str) -> int:
    """Send ``order`` until it is paid or held; return how often it was refused."""
    replies: list[Reply] = []

    def ended() -> bool:
        replies.append(server.post(path, order))
        return replies[-1].status == 201 or told(replies[-1]) == (409, "outcome-held")

    until(ended, "an end")
    refused = [told(reply) for reply in replies[:-1]]
    assert set(refused) <= {UNAVAILABLE, UNKNOWN, LATE}
    return len(refused)
