"""SIGKILL of a worker, at chosen points and at random ones: the retry runs or is answered at once."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from lengths import rounds

from .clients import PATIENCE, Reply, new_order, until
from .databases import Database
from .servers import Server, gunicorn, uvicorn

STORES = ["postgres", "mysql", "sqlite"]
AT_ONCE = 1.0  # seconds from the death of a worker to the answer of the retry
#: Where the worker dies, and whether the answer was recorded by then.
POINTS = {"claim": False, "view": False, "render": False, "record": False, "committed": True, "answer": True}


@pytest.fixture(scope="module")
def server(database: Database) -> Iterator[Server]:
    with gunicorn(database, workers=3) as server:
        yield server
        assert "Traceback" not in server.errors()


def killed_and_repeated(server: Server, path: str, point: str) -> tuple[str, Reply, float]:
    """Let a worker die at ``point``; return the order, the retry's reply, and the seconds from death to it."""
    order = new_order()
    lost = server.post(path, order, die=point)
    assert lost.status == 0, f"the worker did not die at {point}: {lost}"
    reply = server.insist(path, order)
    return order, reply, reply.at - lost.at


@pytest.mark.parametrize("database", STORES, indirect=True)
@pytest.mark.parametrize("point", POINTS)
def test_retry_after_a_kill_is_answered_at_once(
    server: Server, database: Database, point: str, tell: Callable[[str], None]
) -> None:
    count, slowest = rounds(3, 20), 0.0
    for _ in range(count):
        order, reply, seconds = killed_and_repeated(server, "sync/usual", point)
        assert database.effects(order) == 1
        assert reply.replayed == POINTS[point]
        slowest = max(slowest, seconds)
    assert slowest < AT_ONCE
    tell(f"{count} kills, effects expected and counted {count}, slowest retry {slowest * 1000:.0f} ms")


@pytest.mark.parametrize("database", STORES, indirect=True)
def test_kill_between_record_and_commit_leaves_all_or_nothing(
    server: Server, database: Database, tell: Callable[[str], None]
) -> None:
    count, slowest = rounds(3, 20), 0.0
    for _ in range(count):
        order, reply, seconds = killed_and_repeated(server, "sync/usual", "recorded")
        assert database.effects(order) == 1
        # On PostgreSQL the COMMIT travels with the record.
        assert reply.replayed == (database.vendor == "postgresql")
        slowest = max(slowest, seconds)
    assert slowest < AT_ONCE
    tell(f"{count} kills, effects expected and counted {count}, slowest retry {slowest * 1000:.0f} ms")


@pytest.mark.parametrize("database", STORES, indirect=True)
def test_kills_at_random_moments(server: Server, database: Database, tell: Callable[[str], None]) -> None:
    count, clients, each = rounds(10, 100), 6, 3
    slowest, struck = 0.0, 0
    for _ in range(count):
        orders = [[new_order() for _ in range(each)] for _ in range(clients)]
        killer = threading.Thread(target=kill_one, args=[server, random.uniform(0.0, 0.1)])
        with ThreadPoolExecutor(clients) as pool:
            killer.start()
            waits = [wait for found in pool.map(lambda some: delays(server, some), orders) for wait in found]
        killer.join()
        assert [database.effects(order) for some in orders for order in some] == [1] * clients * each
        struck += sum(wait > 0 for wait in waits)
        slowest = max(slowest, *waits)
    assert slowest < AT_ONCE
    effects = count * clients * each
    tell(
        f"{count} kills struck {struck} requests, effects expected and counted {effects}, "
        f"slowest retry {slowest * 1000:.0f} ms"
    )


def delays(server: Server, orders: list[str]) -> list[float]:
    """Send each order until it is answered; return how long each was without an answer after its worker died."""
    found = []
    for order in orders:
        reply = server.post("sync/usual", order, pause="0.01")
        again = reply if reply.status == 201 else server.insist("sync/usual", order, pause="0.01")
        assert reply.status in (0, 201), reply
        found.append(again.at - reply.at)
    return found


def kill_one(server: Server, after: float) -> None:
    """Kill a worker at random, ``after`` seconds from now."""
    time.sleep(after)
    with suppress(ProcessLookupError):
        os.kill(random.choice(server.workers()), signal.SIGKILL)


@pytest.mark.parametrize("database", STORES, indirect=True)
def test_waiter_takes_over_from_a_killed_owner(server: Server, database: Database, tell: Callable[[str], None]) -> None:
    count, slowest = rounds(3, 20), 0.0
    for _ in range(count):
        order = new_order()
        with ThreadPoolExecutor(2) as pool:
            owner = pool.submit(server.post, "sync/patient", order, pause=str(PATIENCE))
            ((pid, _),) = until(lambda order=order: server.notes("ran", order), "the owner's view")
            waiter = pool.submit(server.post, "sync/patient", order)
            until(lambda order=order: len(server.notes("arrived", order)) == 2, "the second request")
            if database.vendor != "sqlite":  # which does not tell
                until(database.waiting, "the second request's wait")
            killed = time.monotonic()
            os.kill(pid, signal.SIGKILL)
            assert owner.result().status == 0
            reply = waiter.result()
        assert (reply.status, reply.replayed) == (201, False)
        assert database.effects(order) == 1
        assert len(server.notes("ran", order)) == 2
        slowest = max(slowest, reply.at - killed)
    assert slowest < AT_ONCE
    tell(f"{count} owners killed, effects expected and counted {count}, slowest take-over {slowest * 1000:.0f} ms")


@pytest.mark.parametrize("database", ["postgres", "mysql"], indirect=True)
@pytest.mark.parametrize("path", ["async/usual", "sync/usual"])
def test_retry_after_a_kill_is_answered_at_once_by_uvicorn(
    database: Database, path: str, tell: Callable[[str], None]
) -> None:
    count, slowest = 0, 0.0
    with uvicorn(database, workers=3) as server:
        for point, recorded in list(POINTS.items()) * rounds(1, 20):
            until(lambda server=server: server.warm() >= 2, "two workers")
            order, reply, seconds = killed_and_repeated(server, path, point)
            assert database.effects(order) == 1
            assert reply.replayed == recorded
            count, slowest = count + 1, max(slowest, seconds)
    assert slowest < AT_ONCE
    tell(f"{count} kills, effects expected and counted {count}, slowest retry {slowest * 1000:.0f} ms")
