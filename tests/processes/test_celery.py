"""A task of Celery whose worker is killed before it has acknowledged is delivered again, and takes effect once."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pytest

import services
from lengths import rounds

from .clients import comes
from .databases import SITE, Database, environment

#: Where the worker dies, and how often the handler then runs.
POINTS = {"handler": 2, "committed": 1, "": 1}
#: prefork: a child is killed, and its parent lives; solo: the worker itself, so that another one must come.
POOLS = ["prefork", "solo"]
#: Seconds in which a worker has looked for what a lost one has left; some versions of kombu look again after 100.
LOOKS_S = 15.0
WORKERS = 4  # a message, at the most


@pytest.fixture
def broker(database: Database, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of workers and of who sends: queues of their own on the Redis that is here."""
    import redis

    prefix, url = f"{uuid4().hex}:", services.url("redis") or ""
    yield {**environment(database, tmp_path), "LEDGER_BROKER": url, "LEDGER_BROKER_PREFIX": prefix}
    with redis.Redis.from_url(url) as client:
        for key in client.scan_iter(f"{prefix}*"):
            client.delete(key)


@contextmanager
def worker(broker: dict[str, str], pool: str, folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a worker; it is gone when the block is left."""
    arguments = ["-m", "celery", "-A", "ledger.queue", "worker", "--pool", pool, "--concurrency", "1", "-l", "error"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, *arguments, *quiet], cwd=SITE, env=broker, stdout=log, stderr=log, start_new_session=True
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def send(broker: dict[str, str], *messages: tuple[str, str]) -> None:
    """Put messages into the queue."""
    code = f"from ledger.queue import pay_task\nfor message in {messages!r}: pay_task.delay(*message)"
    subprocess.run([sys.executable, "-c", code], cwd=SITE, env=broker, check=True)


def lines(folder: Path, what: str, key: str) -> int:
    """Return how many notes of ``what`` there are on ``key``."""
    path = folder / f"{what}-{key}"
    return len(path.read_text().splitlines()) if path.exists() else 0


@services.needs("postgres", "redis")
@pytest.mark.parametrize("database", ["postgres"], indirect=True)
@pytest.mark.parametrize("pool", POOLS)
def test_task_of_a_killed_worker_takes_effect_once(
    broker: dict[str, str], database: Database, tmp_path: Path, pool: str
) -> None:
    messages = [(uuid4().hex, point) for _ in range(rounds(1, 10)) for point in POINTS]
    send(broker, *messages)

    def done() -> bool:
        return all(lines(tmp_path, "done", key) for key, _ in messages)

    for _ in range(WORKERS * len(messages)):
        if not done():
            with worker(broker, pool, tmp_path) as process:
                comes(lambda: process.poll() is not None or done(), LOOKS_S)
    assert done()
    for key, point in messages:
        assert database.effects(key) == 1
        assert lines(tmp_path, "ran", key) == POINTS[point]
        assert lines(tmp_path, "delivered", key) >= (2 if point else 1)
