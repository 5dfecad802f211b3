"""Clients that leave before the answer: it is recorded, or nothing is; the retry works at once."""

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest

from lengths import rounds

from .clients import new_order, until
from .databases import Database
from .servers import gunicorn, uvicorn

SERVERS = {
    "gunicorn sync": ("sync/usual", lambda database: gunicorn(database, workers=2)),
    "gunicorn threads": ("sync/usual", lambda database: gunicorn(database, workers=2, threads=4)),
    "uvicorn sync": ("sync/usual", uvicorn),
    "uvicorn async": ("async/usual", uvicorn),
}


@pytest.mark.parametrize("database", ["postgres", "mysql", "sqlite"], indirect=True)
@pytest.mark.parametrize("kind", SERVERS)
def test_client_leaves_at_any_moment(database: Database, kind: str, tell: Callable[[str], None]) -> None:
    path, serve = SERVERS[kind]
    count, replays, runs = rounds(12, 120), 0, Counter[int]()
    with serve(database) as server:
        assert server.post(path, new_order()).status == 201
        for _ in range(count):
            order = new_order()
            server.drop(path, order, random.uniform(0.0, 0.08), pause="0.05")
            retry = server.post(path, order)
            assert retry.status == 201, retry
            assert database.effects(order) == 1
            replays += retry.replayed
            runs[len(server.notes("ran", order))] += 1
        until(lambda: not database.left_open(), "the end of all transactions", every=0.1)
        assert "Traceback" not in server.errors()
        assert "Internal Server Error" not in server.errors()
    tell(f"{count} clients left, {replays} retries were replays, views ran {dict(runs)}, effects {count} of {count}")


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
@pytest.mark.parametrize("path", ["sync/usual", "async/usual"])
def test_clients_that_leave_do_not_empty_the_pool(database: Database, path: str) -> None:
    options = {"pool": {"min_size": 1, "max_size": 3, "timeout": 5}}
    pooled = replace(database, settings={**database.settings, "CONN_MAX_AGE": 0, "OPTIONS": options})
    with uvicorn(pooled) as server:
        for _ in range(rounds(9, 90)):
            order = new_order()
            server.drop(path, order, random.uniform(0.02, 0.08), pause="0.09")
            assert server.post(path, order).status == 201
            assert database.effects(order) == 1
        until(lambda: not database.left_open(), "the end of all transactions", every=0.1)
        # What Django's pool says of a connection that it gets back in the middle of a transaction.
        assert "rolling back returned connection" not in server.errors()
