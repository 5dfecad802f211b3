"""Redis that hangs or is full, and lines to it that are cut: what the request gets, and what the repeat gets."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import pytest

from django_dist.idempotency.redis_scripts import FINISH, KEEP, TAKE, Script
from lengths import rounds

from .clients import new_order
from .databases import Database
from .proxy import Proxy
from .redises import DURABLE, ON_THE_LINE, OwnRedis, own_redis
from .servers import Server, gunicorn
from .test_lease_redis import assert_paid, rows_of_tries
from .test_lease_redis_lost import DOWN, KEPT, RERUN, UNAVAILABLE, UNKNOWN, assert_repeated, points, told
from .test_leases import GENEROUS_S, LEASE_S, calls, go_on, standing

TIMEOUT_S = 1.0  # of a socket to Redis


@pytest.fixture(scope="module", params=ON_THE_LINE)
def redis(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRedis]:
    with own_redis(request.param, tmp_path_factory.mktemp(request.param), DURABLE) as redis:
        yield redis


@pytest.fixture(scope="module")
def relayed(databases: Callable[[str], Database], redis: OwnRedis) -> Iterator[tuple[Database, Proxy]]:
    with redis.relayed(databases("sqlite"), TIMEOUT_S) as relayed:
        yield relayed


@pytest.fixture(scope="module")
def database(relayed: tuple[Database, Proxy]) -> Database:
    return relayed[0]


@pytest.fixture(scope="module")
def proxy(relayed: tuple[Database, Proxy]) -> Proxy:
    return relayed[1]


@pytest.fixture(scope="module")
def server(database: Database) -> Iterator[Server]:
    with gunicorn(database, workers=4) as server:
        assert server.post(RERUN, new_order()).status == 201  # Redis knows the scripts
        yield server
        assert "Traceback" not in server.errors()


def word(script: Script) -> bytes:
    """Return what of a call of ``script`` goes by in upper case."""
    return script.sha.upper().encode()


@points
def test_redis_that_hangs_keeps_the_request_for_a_few_time_outs(
    server: Server, database: Database, redis: OwnRedis, point: str, tell: Callable[[str], None]
) -> None:
    order, other = new_order(), new_order()
    with standing(server, RERUN, order, point) as (_, late):
        with redis.standing_still():
            begun = time.monotonic()
            go_on(server, order)
            reply = late.result()
            assert told(server.post(RERUN, other)) == UNAVAILABLE
            assert server.notes("ran", other) == []
        assert told(reply) == DOWN[point]
    assert reply.at - begun < 3 * TIMEOUT_S + GENEROUS_S
    again = server.post(RERUN, order)  # what was sent may have been done when Redis went on
    assert again.status == 201
    assert calls(server, "called", order) in ([1, 1, 1], KEPT[point])
    assert calls(server, "took", order) == [1, 1, 1]
    assert rows_of_tries(database, order) == (1 if again.replayed else 2)
    assert database.effects(order) == 1
    assert server.post(RERUN, other).status == 201  # whose claim may have arrived: when its lease has run out
    found = "the answer" if again.replayed else "no answer"
    tell(f"{reply.problem} after {reply.at - begun:.1f} s; the repeat found {found}")


@points
def test_redis_that_is_full_is_as_one_that_is_down_and_answers_repeats(
    server: Server, database: Database, redis: OwnRedis, point: str
) -> None:
    order, other, done = new_order(), new_order(), new_order()
    first = server.post(RERUN, done)
    with standing(server, RERUN, order, point) as (_, late), redis.full():
        go_on(server, order)
        assert told(late.result()) == DOWN[point]
        assert told(server.post(RERUN, other)) == UNAVAILABLE
        assert server.notes("ran", other) == []
        repeat = server.post(RERUN, done)
        assert (repeat.replayed, repeat.body) == (True, first.body)
    assert_repeated(server, database, order, KEPT[point])


@pytest.mark.parametrize("delivered", [True, False])
def test_worker_killed_while_it_claims_is_replaced_when_its_lease_has_run_out(
    server: Server, database: Database, proxy: Proxy, delivered: bool, tell: Callable[[str], None]
) -> None:
    count, slowest = rounds(1, 30), 0.0
    for _ in range(count):
        order = new_order()
        proxy.arm(word(TAKE), delivered=delivered, silent=True)
        with ThreadPoolExecutor(1) as pool:
            owner = pool.submit(server.post, RERUN, order)
            assert proxy.swallowed.wait(GENEROUS_S)
            ((pid, _),) = server.notes("arrived", order)
            os.kill(pid, signal.SIGKILL)
            lost = owner.result()
        assert lost.status == 0
        reply = server.post(RERUN, order)
        assert (reply.status, reply.replayed) == (201, False)
        assert_paid(server, database, order, runs=1)
        slowest = max(slowest, reply.at - lost.at)
    assert slowest < LEASE_S + GENEROUS_S
    tell(f"{count} workers killed while they claimed, slowest retry {slowest:.2f} s")


class Loss(NamedTuple):
    """A line that is cut when ``script`` is sent from ``point`` on, and what then is."""

    point: str
    script: Script
    delivered: bool
    reply: tuple[int, str]
    runs: int
    called: list[int]


LOSSES = {
    "claim, not arrived": Loss("", TAKE, False, UNAVAILABLE, 1, [1, 1, 1]),
    "claim, arrived": Loss("", TAKE, True, UNAVAILABLE, 1, [1, 1, 1]),
    "call announced, not arrived": Loss("before-ship", KEEP, False, UNAVAILABLE, 2, [1, 1, 1]),
    "call announced, arrived": Loss("before-ship", KEEP, True, UNAVAILABLE, 2, [1, 1, 1]),
    "result, not arrived": Loss("in-ship", KEEP, False, UNAVAILABLE, 2, [1, 2, 1]),
    "result, arrived": Loss("in-ship", KEEP, True, UNAVAILABLE, 2, [1, 1, 1]),
    "answer, not arrived": Loss("written", FINISH, False, UNKNOWN, 2, [1, 1, 1]),
    "answer, arrived": Loss("written", FINISH, True, UNKNOWN, 1, [1, 1, 1]),
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_line_that_is_cut_is_503_and_the_repeat_finds_out(
    server: Server, database: Database, proxy: Proxy, loss: Loss, tell: Callable[[str], None]
) -> None:
    count, before = rounds(1, 30), proxy.cuts
    for _ in range(count):
        order = new_order()
        if not loss.point:
            proxy.arm(word(loss.script), delivered=loss.delivered)
            lost = server.post(RERUN, order)
            assert server.notes("ran", order) == []
        else:
            with standing(server, RERUN, order, loss.point) as (_, late):
                proxy.arm(word(loss.script), delivered=loss.delivered)
                go_on(server, order)
                lost = late.result()
        assert told(lost) == loss.reply
        reply = server.post(RERUN, order)
        assert (reply.status, reply.replayed) == (201, bool(loss.point) and loss.runs == 1)
        assert calls(server, "called", order) == loss.called
        assert calls(server, "took", order) == [1, 1, 1]
        assert (rows_of_tries(database, order), database.effects(order)) == (loss.runs, 1)
    assert proxy.cuts == before + count
    tell(f"{count} lines cut, steps called {loss.called}, orders expected and counted {count}")
