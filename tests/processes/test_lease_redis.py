"""Mode lease on Redis and Valkey under SIGKILL, SIGSTOP and long work: one owner, no late answer, each step once.

What the view writes to its database stands in no transaction with the claim: each try's autocommitted row stays, and
what must be there once has a claim of its own in its transaction.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from lengths import rounds

from .clients import at_once, new_order, until
from .databases import Database
from .redises import FORGETFUL, OwnRedis, over_redis, own_redis
from .servers import Server, gunicorn, uvicorn
from .test_lease_asgi import RENEWALS
from .test_leases import GENEROUS_S, LEASE_S, POINTS, STEPS, calls, go_on, standing

STEP_POINTS = {point: unknown for point, unknown in POINTS.items() if point != "finishing"}
#: Where a worker dies between the last step and the answer, and after it is recorded.
ENDS = ("written", "answer")


@pytest.fixture(scope="module", params=["redis", "valkey"])
def redis(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRedis]:
    with own_redis(request.param, tmp_path_factory.mktemp(request.param), FORGETFUL) as redis:
        yield redis


@pytest.fixture(scope="module")
def database(databases: Callable[[str], Database], redis: OwnRedis) -> Database:
    """The database of the view's rows; its requests are kept in Redis."""
    return over_redis(databases("sqlite"), redis.port)


@pytest.fixture(scope="module")
def server(database: Database) -> Iterator[Server]:
    with gunicorn(database, workers=8) as server:
        yield server
        assert "Traceback" not in server.errors()


def rows_of_tries(database: Database, order: str) -> int:
    """Return how many tries have left their row in autocommit."""
    ((count,),) = database.rows("SELECT count(*) FROM ledger_effect WHERE run = %s", order)
    return int(count)


def assert_paid(server: Server, database: Database, order: str, runs: int) -> None:
    """Each step was called once; each run has left its row, and one of them the order's."""
    assert calls(server, "called", order) == [1, 1, 1]
    assert len(server.notes("ran", order)) == rows_of_tries(database, order) == runs
    assert database.effects(order) == 1


def test_view_of_three_leases_has_one_effect(server: Server, database: Database, tell: Callable[[str], None]) -> None:
    count, refused = rounds(1, 30), 0
    for _ in range(count):
        order = new_order()
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(server.post, "lease/long", order, pause=str(3 * LEASE_S))
            until(lambda order=order: server.notes("ran", order), "the view")
            while not first.done():
                reply = server.post("lease/long", order)
                assert (reply.status, reply.problem) == (409, "in-progress") or reply.replayed
                refused += reply.status == 409
                time.sleep(0.02)
        assert (first.result().status, first.result().replayed) == (201, False)
        again = server.post("lease/long", order)
        assert (again.replayed, again.body) == (True, first.result().body)
        assert database.effects(order) == len(server.notes("ran", order)) == 1
    assert refused
    tell(f"{count} views of three leases, {refused} repeats refused meanwhile, effects expected and counted {count}")


@pytest.mark.parametrize("point", ["before-ship", "written"])
def test_owner_that_stood_still_is_refused(
    server: Server, database: Database, point: str, tell: Callable[[str], None]
) -> None:
    count = rounds(1, 30)
    for _ in range(count):
        order = new_order()
        with standing(server, "outside/rerun", order, point) as (pid, late):
            os.kill(pid, signal.SIGSTOP)
            try:
                second = server.post("outside/rerun", order)
                go_on(server, order)
            finally:
                os.kill(pid, signal.SIGCONT)
            reply = late.result()
        assert (second.status, second.replayed) == (201, False)
        if point == "written":  # its own answer is refused, and it tells the one that was recorded
            assert (reply.status, reply.replayed, reply.body) == (201, True, second.body)
        else:
            assert (reply.status, reply.problem) == (409, "lease-lost")
        assert_paid(server, database, order, runs=2)
    tell(f"{count} owners stopped, taken over and continued, orders expected and counted {count}, rows of tries 2 each")


def test_waiters_of_a_killed_owner_all_get_one_answer(
    server: Server, database: Database, tell: Callable[[str], None]
) -> None:
    count, slowest = rounds(1, 30), 0.0
    for _ in range(count):
        order = new_order()
        with standing(server, "outside/rerun", order, "after-charge") as (pid, owner), ThreadPoolExecutor(1) as pool:
            five = pool.submit(at_once, 5, lambda order=order: server.post("outside/rerun", order))
            until(lambda order=order: len(server.notes("arrived", order)) == 6, "five that wait")
            killed = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            replies = five.result()
            assert owner.result().status == 0
        assert [reply.status for reply in replies] == [201] * 5
        assert len({reply.body for reply in replies}) == 1
        assert sum(not reply.replayed for reply in replies) == 1
        assert_paid(server, database, order, runs=2)
        slowest = max(slowest, *(reply.at - killed for reply in replies))
    assert slowest < LEASE_S + GENEROUS_S
    tell(f"{count} owners killed with 5 waiting, one took over, slowest answer {slowest:.2f} s after the kill")


@pytest.mark.parametrize("on_unknown", ["rerun", "hold", "ask"])
def test_killed_around_every_step(
    server: Server, database: Database, on_unknown: str, tell: Callable[[str], None]
) -> None:
    path, count, held = f"outside/{on_unknown}", rounds(1, 30), 0
    for _ in range(count):
        orders = {point: new_order() for point in STEP_POINTS}
        for point, order in orders.items():
            assert server.post(path, order, die=point).status == 0, point
        with ThreadPoolExecutor(4) as pool:
            replies = dict(zip(orders, pool.map(lambda order: server.post(path, order), orders.values()), strict=True))
        for point, order in orders.items():
            unknown, reply = STEP_POINTS[point], replies[point]
            if unknown and on_unknown == "hold":
                assert (reply.status, reply.problem) == (409, "outcome-held"), point
                assert max(calls(server, "called", order)) == 1
                held += 1
                continue
            assert (reply.status, reply.replayed) == (201, False), (point, reply)
            assert calls(server, "took", order) == [1, 1, 1], point
            again = unknown and (on_unknown == "rerun" or point.startswith("in-"))
            assert calls(server, "called", order) == [2 if again and name == unknown else 1 for name in STEPS], point
            assert calls(server, "asked", order) == [int(on_unknown == "ask" and name == unknown) for name in STEPS]
            assert (rows_of_tries(database, order), database.effects(order)) == (2, 1)
    expected = 6 * count if on_unknown == "hold" else 0
    assert held == expected
    tell(f"{len(STEP_POINTS) * count} kills, one effect a step each, held expected and counted {expected}")


def test_killed_around_the_answer(server: Server, database: Database, tell: Callable[[str], None]) -> None:
    count = rounds(1, 30)
    for _ in range(count):
        for point in ENDS:
            order = new_order()
            assert server.post("outside/rerun", order, die=point).status == 0
            reply = server.post("outside/rerun", order)
            assert (reply.status, reply.replayed) == (201, point == "answer")
            assert_paid(server, database, order, runs=1 if reply.replayed else 2)
    tell(f"{len(ENDS) * count} kills, orders expected and counted {len(ENDS) * count}")


def test_one_thread_renews_fifty_leases(database: Database, redis: OwnRedis) -> None:
    orders = [new_order() for _ in range(50)]
    with gunicorn(database, workers=1, threads=54) as server, ThreadPoolExecutor(50) as pool:
        replies = [pool.submit(server.post, "outside/rerun", order, wait="before-ship") for order in orders]
        try:
            until(lambda: all(server.notes("stands", order) for order in orders), "fifty views at work")
            begun = max(map(int, redis.field("until")))
            renewed = lambda: sum(int(ends) > begun for ends in redis.field("until"))  # noqa: E731
            until(lambda: renewed() == len(orders), "fifty leases renewed", every=0.05)
            names = server.get("threads")["names"]
        finally:
            for order in orders:
                go_on(server, order)
        assert [reply.result().status for reply in replies] == [201] * 50
    assert names.count("django_dist leases") == 1


def test_lease_is_let_go_only_when_the_thread_of_the_view_has_ended(
    database: Database, redis: OwnRedis, tell: Callable[[str], None]
) -> None:
    count = rounds(1, 30)
    with uvicorn(database) as server:
        for _ in range(count):
            order, ends = new_order(), set()
            at_work = partial(until, partial(server.notes, "stands", order), "the view at work")
            server.leave("outside/hasty", order, at_work, wait="before-ship")

            def renewed(ends: set[str] = ends) -> bool:
                ends.update(redis.field("until"))
                return len(ends) > RENEWALS

            until(renewed, "renewals after the client has left", every=0.05)
            refused = server.post("outside/hasty", order)
            assert (refused.status, refused.problem) == (409, "in-progress")
            assert len(server.notes("ran", order)) == 1
            go_on(server, order)
            reply = server.insist("outside/hasty", order)
            assert_paid(server, database, order, runs=1 if reply.replayed else 2)
        assert "Traceback" not in server.errors()
    tell(f"{count} clients left, the lease stayed with the view, orders expected and counted {count}")
