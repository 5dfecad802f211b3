"""Twenty clients at the instant at which a record expires, while old records are purged without a pause."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from lengths import rounds

from .clients import Reply, new_order
from .databases import SITE, Database, environment
from .servers import Server, group, gunicorn

LIFETIME = 1.0  # seconds; see the policy "brief" of the ledger
AROUND = 0.03  # seconds before and after the instant in which the clients come
CLIENTS = 20
Purge = Callable[[Database, Path], AbstractContextManager[None]]


@contextmanager
def purging(database: Database, folder: Path) -> Iterator[None]:
    """Run dist_purge over and over, in a process of its own."""
    arguments = [sys.executable, "-m", "ledger.purge"]
    with open(folder / "purge", "wb") as log:
        options = {"cwd": SITE, "env": environment(database, folder), "stdin": subprocess.PIPE}
        with group(arguments, log, **options) as process:
            yield
            assert process.poll() is None, (folder / "purge").read_text()


@contextmanager
def unpurged(database: Database, folder: Path) -> Iterator[None]:
    """Leave the old records where they are."""
    yield


def storm(server: Server, order: str) -> tuple[list[Reply], int]:
    """Send one order, and twenty repeats around its expiry; return all replies and how many lifetimes there were."""
    sent = time.monotonic()
    first = server.post("sync/brief", order)

    def repeat(number: int) -> Reply:
        due = first.at + LIFETIME + AROUND * (2 * number / CLIENTS - 1)
        while (left := due - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))
        return server.post("sync/brief", order)

    with ThreadPoolExecutor(CLIENTS) as pool:
        replies = [first, *pool.map(repeat, range(1, CLIENTS + 1))]
    return replies, 1 + int((max(reply.at for reply in replies) - sent) / LIFETIME)


@pytest.mark.parametrize("database", ["postgres", "mysql", "sqlite"], indirect=True)
@pytest.mark.parametrize("purge", [purging, unpurged])
def test_each_lifetime_has_one_effect(database: Database, purge: Purge, tell: Callable[[str], None]) -> None:
    count, total = rounds(2, 20), 0
    with gunicorn(database, workers=2, threads=8) as server, purge(database, server.folder):
        for _ in range(count):
            order = new_order()
            replies, lifetimes = storm(server, order)
            effects = database.effects(order)
            assert {reply.status for reply in replies} <= {201, 409}
            assert len({reply.body for reply in replies if reply.status == 201}) == effects
            assert 2 <= effects <= lifetimes
            total += effects
        assert "Traceback" not in server.errors()
    tell(f"{count} expiries, lifetimes {2 * count}, effects counted {total}")
