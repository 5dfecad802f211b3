"""Mode lease under SIGKILL, SIGSTOP and long work: one owner, nothing of a late one, each step once."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from lengths import rounds

from .clients import Reply, at_once, new_order, until
from .databases import Database
from .servers import Server, gunicorn

STORES = ["postgres", "mysql", "sqlite"]
STEPS = ("charge", "ship", "mail")
LEASE_S = 1.0  # as ledger.leased has it
GENEROUS_S = 5.0  # over the lease, on a busy machine
#: Where a worker dies, and the step that was in flight.
POINTS = {f"{where}-{name}": name for name in STEPS for where in ("in", "took")}
POINTS |= {f"{where}-{name}": "" for name in STEPS for where in ("before", "after")}
POINTS["finishing"] = ""
stores = pytest.mark.parametrize("database", STORES, indirect=True)


@pytest.fixture(scope="module")
def server(database: Database) -> Iterator[Server]:
    with gunicorn(database, workers=8) as server:
        yield server
        assert "Traceback" not in server.errors()


@contextmanager
def standing(server: Server, path: str, order: str, point: str) -> Iterator[tuple[int, "Future[Reply]"]]:
    """Have a worker stand at ``point`` of ``order``; give its process id, and its reply to come."""
    with ThreadPoolExecutor(1) as pool:
        reply = pool.submit(server.post, path, order, wait=point)
        ((pid, _),) = until(lambda: server.notes("stands", order), f"a worker that stands at {point}")
        try:
            yield pid, reply
        finally:
            go_on(server, order)


def go_on(server: Server, order: str) -> None:
    """Let the worker that stands go on."""
    (server.folder / f"go-{order}").touch()


def calls(server: Server, what: str, order: str) -> list[int]:
    """Return how often each step's call came to ``what``."""
    return [len(server.notes(f"{what}-{name}", order)) for name in STEPS]


@stores
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


@stores
@pytest.mark.parametrize("point", ["before-ship", "finishing"])
def test_owner_that_stood_still_is_refused(
    server: Server, database: Database, point: str, tell: Callable[[str], None]
) -> None:
    if database.vendor == "sqlite" and point == "finishing":
        pytest.skip("on SQLite nobody takes over while the last writes hold the one lock for writers")
    count = rounds(2, 30)
    for _ in range(count):
        order = new_order()
        with standing(server, "lease/rerun", order, point) as (pid, late):
            os.kill(pid, signal.SIGSTOP)
            try:
                second = server.post("lease/rerun", order)
                go_on(server, order)
            finally:
                os.kill(pid, signal.SIGCONT)
            reply = late.result()
        assert (second.status, second.replayed) == (201, False)
        if point == "finishing":  # the late answer is the one that was recorded
            assert (reply.status, reply.replayed, reply.body) == (201, True, second.body)
        else:
            assert (reply.status, reply.problem) == (409, "lease-lost")
        assert calls(server, "called", order) == [1, 1, 1]
        ((run,),) = database.rows("SELECT run FROM ledger_effect WHERE order_name = %s", order)
        assert run.encode() in second.body  # the late owner's row is rolled back
    tell(f"{count} owners stopped, taken over and continued, effects expected and counted {count}")


@stores
def test_waiters_of_a_killed_owner_all_get_one_answer(
    server: Server, database: Database, tell: Callable[[str], None]
) -> None:
    count, slowest = rounds(1, 30), 0.0
    for _ in range(count):
        order = new_order()
        with standing(server, "lease/rerun", order, "after-charge") as (pid, owner), ThreadPoolExecutor(1) as pool:
            five = pool.submit(at_once, 5, lambda order=order: server.post("lease/rerun", order))
            until(lambda order=order: len(server.notes("arrived", order)) == 6, "five that wait")
            killed = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            replies = five.result()
            assert owner.result().status == 0
        assert [reply.status for reply in replies] == [201] * 5
        assert len({reply.body for reply in replies}) == 1
        assert sum(not reply.replayed for reply in replies) == 1
        assert len(server.notes("ran", order)) == 2
        assert calls(server, "called", order) == [1, 1, 1]
        assert database.effects(order) == 1
        slowest = max(slowest, *(reply.at - killed for reply in replies))
    assert slowest < LEASE_S + GENEROUS_S
    tell(f"{count} owners killed with 5 waiting, one took over, slowest answer {slowest:.2f} s after the kill")


@stores
@pytest.mark.parametrize("on_unknown", ["rerun", "hold", "ask"])
def test_killed_around_every_step(
    server: Server, database: Database, on_unknown: str, tell: Callable[[str], None]
) -> None:
    path, count, held = f"lease/{on_unknown}", rounds(2, 30), 0
    for _ in range(count):
        orders = {point: new_order() for point in POINTS}
        for point, order in orders.items():
            assert server.post(path, order, die=point).status == 0, point
        with ThreadPoolExecutor(4) as pool:
            replies = dict(zip(orders, pool.map(lambda order: server.post(path, order), orders.values()), strict=True))
        for point, order in orders.items():
            unknown, reply = POINTS[point], replies[point]
            if unknown and on_unknown == "hold":
                assert (reply.status, reply.problem) == (409, "outcome-held"), point
                held += 1
                continue
            assert (reply.status, reply.replayed) == (201, False), (point, reply)
            assert calls(server, "took", order) == [1, 1, 1], point
            again = unknown and (on_unknown == "rerun" or point.startswith("in-"))
            assert calls(server, "called", order) == [2 if again and name == unknown else 1 for name in STEPS], point
            assert calls(server, "asked", order) == [int(on_unknown == "ask" and name == unknown) for name in STEPS]
            assert database.effects(order) == 1
        assert not {order for order, _ in database.doubled()} & set(orders.values())  # of other tests' the rest
    expected = 6 * count if on_unknown == "hold" else 0
    assert held == expected
    tell(f"{13 * count} kills, one effect a step each, held expected and counted {expected}")


@stores
def test_claim_whose_worker_dies_before_the_view_is_taken_over_when_its_lease_has_run_out(
    server: Server, database: Database, tell: Callable[[str], None]
) -> None:
    count, path = rounds(2, 30), "lease/rerun"
    for _ in range(count):
        order, sent = new_order(), time.monotonic()
        assert server.post(path, order, die="claimed").status == 0
        assert server.notes("ran", order) == []
        assert (server.folder / f"died-0-{order}").exists()
        five = at_once(5, lambda order=order: server.post(path, order))
        assert [reply.status for reply in five] == [201] * 5
        assert sum(not reply.replayed for reply in five) == 1
        ((_, ran),) = server.notes("ran", order)
        assert ran - sent >= LEASE_S, "the claim was not there, or was not respected"
        assert calls(server, "called", order) == [1, 1, 1]
        assert database.effects(order) == 1
    tell(f"{count} claims lost before their view, taken over, effects expected and counted {count}")


@stores
def test_view_that_hangs_is_taken_over_after_max_run(server: Server, database: Database) -> None:
    order = new_order()
    with standing(server, "lease/hung", order, "before-ship") as (_, late):
        second = server.post("lease/hung", order)
        assert (second.status, second.replayed) == (201, False)
        go_on(server, order)
        assert late.result().problem == "lease-lost"
    assert calls(server, "called", order) == [1, 1, 1]
    assert database.effects(order) == 1


@pytest.mark.parametrize("database", ["postgres", "mysql"], indirect=True)
def test_one_thread_renews_fifty_leases(database: Database, tell: Callable[[str], None]) -> None:
    orders = [new_order() for _ in range(50)]
    with gunicorn(database, workers=1, threads=54) as server, ThreadPoolExecutor(50) as pool:
        replies = [pool.submit(server.post, "lease/rerun", order, wait="before-ship") for order in orders]
        try:
            until(lambda: all(server.notes("stands", order) for order in orders), "fifty views at work")
            ((begun,),) = database.rows("SELECT max(leased_until) FROM django_dist_request WHERE state = 0")
            renewed = "SELECT count(*) FROM django_dist_request WHERE state = 0 AND leased_until > %s"
            until(lambda: database.rows(renewed, begun) == [(50,)], "fifty leases renewed", every=0.05)
            names = server.get("threads")["names"]
        finally:
            for order in orders:
                go_on(server, order)
        assert [reply.result().status for reply in replies] == [201] * 50
    assert names.count("django_dist leases") == 1
    tell(f"{len(names)} threads, one of them renews fifty leases")
