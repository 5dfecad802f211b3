"""Many identical requests at once, over several worker processes."""

from collections import Counter
from collections.abc import Callable

import pytest

from lengths import rounds

from .clients import Reply, at_once, new_order
from .databases import Database
from .servers import Server, gunicorn

SERVERS = ["postgres", "mysql"]


def judge(replies: list[Reply], allowed: set[int]) -> None:
    """Assert that all who were answered have the same bytes, and that one of them ran."""
    statuses = Counter(reply.status for reply in replies)
    assert set(statuses) <= {201} | allowed, statuses
    answered = [reply for reply in replies if reply.status == 201]
    assert len({reply.body for reply in answered}) == 1
    assert [reply.replayed for reply in answered].count(False) == 1
    for reply in replies:
        if reply.status == 409:
            assert reply.problem == "in-progress"
            assert reply.headers["retry-after"]


def race(server: Server, database: Database, clients: int, path: str, **told: str) -> tuple[list[Reply], int]:
    """Send one order ``clients`` times at once; return the replies and how often its view ran."""
    order = new_order()
    replies = at_once(clients, lambda: server.post(path, order, **told))
    assert database.effects(order) == 1
    return replies, len(server.notes("ran", order))


@pytest.mark.parametrize("database", SERVERS, indirect=True)
@pytest.mark.parametrize("path", ["sync/usual", "sync/hasty"])
def test_fifty_at_once_take_effect_once(database: Database, path: str, tell: Callable[[str], None]) -> None:
    total: Counter[int] = Counter()
    count = rounds(10, 100)
    with gunicorn(database, workers=2, threads=25) as server:
        for _ in range(count):
            replies, ran = race(server, database, 50, path, pause="0.05")
            judge(replies, {409})
            assert ran == 1
            total.update(reply.status for reply in replies)
        assert "Traceback" not in server.errors()
    tell(f"{count} rounds, effects expected and counted {count}, answers {dict(total)}")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_eight_at_once_take_effect_once_on_sqlite(database: Database, tell: Callable[[str], None]) -> None:
    total: Counter[int] = Counter()
    count = rounds(10, 100)
    with gunicorn(database, workers=2, threads=4) as server:
        for _ in range(count):
            replies, ran = race(server, database, 8, "sync/usual", pause="0.02")
            judge(replies, {409})
            assert ran == 1
            total.update(reply.status for reply in replies)
    tell(f"{count} rounds, effects expected and counted {count}, answers {dict(total)}")


@pytest.mark.parametrize("database", [*SERVERS, "sqlite"], indirect=True)
def test_one_of_twenty_waiters_runs_after_the_first_has_failed(database: Database, tell: Callable[[str], None]) -> None:
    total: Counter[int] = Counter()
    count = rounds(5, 50)
    with gunicorn(database, workers=2, threads=11) as server:
        for _ in range(count):
            replies, ran = race(server, database, 21, "sync/patient", pause="0.1", fail="first")
            judge([reply for reply in replies if reply.status != 500], set())
            assert [reply.status for reply in replies].count(500) == 1
            assert ran == 2
            total.update(reply.status for reply in replies)
    tell(f"{count} rounds, effects expected and counted {count}, answers {dict(total)}")
