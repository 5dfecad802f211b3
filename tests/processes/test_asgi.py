"""Two hundred requests at once in one process of uvicorn: the event loop goes round as without us."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from lengths import rounds

from .clients import at_once, new_order
from .databases import Database
from .servers import Server, uvicorn

CLIENTS = 200
STALL = 0.05  # seconds
MORE = 6  # rounds on a busy machine: a stall of ours comes in every round, one of the machine's does not


def pooled(database: Database) -> Database:
    """Return ``database`` behind a pool: each request of ASGI has a thread of its own, and so a connection."""
    options = {"pool": {"min_size": 4, "max_size": 12, "timeout": 20}}
    return replace(database, settings={**database.settings, "CONN_MAX_AGE": 0, "OPTIONS": options})


def latest(server: Server, path: str) -> tuple[float, Counter[str]]:
    """Send two hundred orders at once; return the loop's longest delay in seconds, and what ran on which thread."""
    server.get("lag")
    replies = at_once(CLIENTS, lambda: server.post(path, new_order(), pause="0.01"))
    found = server.get("lag")
    assert Counter(reply.status for reply in replies) == {201: CLIENTS}
    return found["late"][-1], Counter(found["counts"])


def held_up(delays: dict[str, list[float]]) -> bool:
    """Return whether the guard delays the loop by more than a stall over what it is without one."""
    return min(delays["usual"]) > max(delays["bare"]) + STALL


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_loop_is_not_held_up(database: Database, kind: str, tell: Callable[[str], None]) -> None:
    delays: dict[str, list[float]] = {"bare": [], "usual": []}
    with uvicorn(pooled(database)) as server:
        for name in ("bare", "usual"):
            latest(server, f"{kind}/{name}")  # imports, and the pool
        for number in range(rounds(1, 10) + MORE):
            for name in ("bare", "usual"):
                delay, ran = latest(server, f"{kind}/{name}")
                delays[name].append(delay)
                assert ran["sql on loop"] == ran["hash on loop"] == 0
            assert ran["hash on thread"] >= CLIENTS
            assert ran["sql on thread"] >= 3 * CLIENTS
            if number + 1 >= rounds(1, 10) and not held_up(delays):
                break
    shown = {name: [f"{delay * 1000:.0f}" for delay in some] for name, some in delays.items()}
    tell(f"longest delay of the loop in ms, round by round: {shown}")
    assert not held_up(delays)


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_two_hundred_duplicates_over_a_pool_of_twelve(
    database: Database, kind: str, tell: Callable[[str], None]
) -> None:
    total: Counter[int] = Counter()
    with uvicorn(pooled(database)) as server:
        for _ in range(rounds(1, 10)):
            order = new_order()
            replies = at_once(CLIENTS, lambda order=order: server.post(f"{kind}/usual", order, pause="0.1"))
            assert {reply.status for reply in replies} <= {201, 409}
            assert len({reply.body for reply in replies if reply.status == 201}) == 1
            assert database.effects(order) == len(server.notes("ran", order)) == 1
            total.update(reply.status for reply in replies)
        assert "Traceback" not in server.errors()
    tell(f"answers {dict(total)}, effects expected and counted {rounds(1, 10)}")
