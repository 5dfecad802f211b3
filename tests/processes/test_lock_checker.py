"""A register that eight processes add to under one lock, while they are killed and stopped and their lines cut.

With the fence asked, no addition is lost and no late write accepted, whatever happens; without, some must be lost, or
the run would prove nothing.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from lengths import rounds
from operations.redis_servers import port_of, serving
from services import needs

from .bouncer import bounced
from .clients import until
from .databases import Database
from .lock_worker import TTL_S
from .proxy import Proxy

WORKERS, LONGEST_S = 8, 40.0
WORKER = Path(__file__).parent / "lock_worker.py"
#: What a statement of the lock's says, for the proxy to cut it.
WORDS = {"database": b"DJANGO_DIST_LOCK", "advisory": b"PG_TRY_ADVISORY", "redis": b"EVALSHA"}
BACKENDS = {
    "database": "django_dist.locks.database.DatabaseLocks",
    "advisory": "django_dist.locks.postgres.AdvisoryLocks",
    "redis": "django_dist.locks.redis.RedisLocks",
}
TABLES = """
DROP TABLE IF EXISTS register, ledger, refused, grants, inside;
CREATE TABLE register (value bigint, fence bigint);
CREATE TABLE ledger (id bigserial PRIMARY KEY, value bigint, fence bigint);
CREATE TABLE refused (fence bigint);
CREATE TABLE grants (fence bigint, pid int);
CREATE TABLE inside (pid int);
INSERT INTO register VALUES (0, 0)"""
ENGINES = ["database-postgres", "database-mysql", "advisory-postgres", "redis-redis"]


class Run:
    """Workers over one engine, and what befalls them."""

    def __init__(
        self, engine: str, register: Database, place: Database | None, server: Any = None, **options: bool
    ) -> None:
        self.register, self._server, self._stack = register, server, ExitStack()
        self._word = WORDS[engine]
        target = ("127.0.0.1", port_of(server)) if place is None else (place.settings["HOST"], place.settings["PORT"])
        self.proxy = Proxy((target[0], int(target[1])))
        databases: dict[str, Any] = {"default": {}, "register": {**register.settings, "CONN_MAX_AGE": None}}
        caches: dict[str, Any] = {"default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}}
        if place is None:
            caches["default"] = {
                "BACKEND": "django_redis.cache.RedisCache",
                "LOCATION": f"redis://127.0.0.1:{self.proxy.port}/0",
            }
        else:
            plain = {"sslmode": "disable"} if place.vendor == "postgresql" else {}
            there = {"HOST": "127.0.0.1", "PORT": self.proxy.port, "OPTIONS": plain, "CONN_MAX_AGE": None}
            databases["default"] = {**place.settings, **there}
        locks = {"BACKEND": BACKENDS[engine]}
        self._given = json.dumps(
            {"databases": databases, "caches": caches, "locks": locks, "fenced": False, "atomic": False, **options}
        )
        self.workers: list[subprocess.Popen[bytes]] = []
        self.faults: dict[str, int] = {}

    def start(self) -> None:
        """Start a worker."""
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.workers.append(subprocess.Popen([sys.executable, str(WORKER), self._given], env=environment))

    def end(self) -> None:
        """End all."""
        for worker in self.workers:
            with suppress(ProcessLookupError):
                worker.kill()
            worker.wait()
        self.proxy.close()

    def befall(self) -> None:
        """Let something happen."""
        kinds: list[Callable[[], None]] = [self.stop, self.stop, self.kill, self.cut, self.drop]
        fault = random.choice([*kinds, self.forget] if self._server is not None else kinds)
        fault()
        self.faults[fault.__name__] = self.faults.get(fault.__name__, 0) + 1

    def stop(self) -> None:
        """Stop one that has read and not written, for longer than its lease."""
        inside = [pid for (pid,) in self.register.rows("SELECT pid FROM inside ORDER BY ctid DESC")]
        living = [worker for worker in self.workers if worker.pid in inside] or self.workers
        stopped = living[0]
        stopped.send_signal(signal.SIGSTOP)
        time.sleep(1.5 * TTL_S)
        stopped.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill one, and start another in its place."""
        killed = self.workers.pop(random.randrange(len(self.workers)))
        killed.kill()
        killed.wait()
        self.start()

    def cut(self) -> None:
        """Cut all lines to the store."""
        self.proxy.turn(self.proxy._target[1])

    def drop(self) -> None:
        """Lose one statement, or its answer."""
        self.proxy.arm(self._word, delivered=random.random() < 0.7)

    def forget(self) -> None:
        """Let the store forget everything."""
        self._server.flushall()

    def count(self, table: str) -> int:
        """Return how many rows a table has."""
        return int(self.register.rows(f"SELECT count(*) FROM {table}")[0][0])

    def lost(self) -> int:
        """Return how many additions were lost: values that were written more than once."""
        return int(self.register.rows("SELECT count(*) - count(DISTINCT value) FROM ledger")[0][0])


@contextmanager
def run(engine: str, databases: Callable[[str], Database], *, fenced: bool) -> Iterator[Run]:
    kind, store = engine.split("-")
    register = databases("postgres")
    register.rows(TABLES)
    with ExitStack() as stack:
        server = stack.enter_context(serving("redis-server")) if store == "redis" else None
        made = Run(kind, register, None if server is not None else databases(store), server, fenced=fenced)
        stack.callback(made.end)
        for _ in range(WORKERS):
            made.start()
        until(lambda: made.count("ledger") > WORKERS, "they work")
        yield made


@needs("postgres", "mysql", "redis")
@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_is_lost_under_faults(
    engine: str, databases: Callable[[str], Database], tell: Callable[[str], None]
) -> None:
    with run(engine, databases, fenced=True) as made:
        over_at = time.monotonic() + rounds(8, 60)
        while time.monotonic() < over_at:
            made.befall()
            time.sleep(random.uniform(0, 0.2))
        before = made.count("ledger")
        until(lambda: made.count("ledger") > before + WORKERS, "they go on")
    written = [fence for (fence,) in made.register.rows("SELECT fence FROM ledger ORDER BY id")]
    granted = made.register.rows("SELECT count(*), count(DISTINCT fence) FROM grants")
    tell(f"{len(written)} additions, {made.count('refused')} late ones refused, {granted[0][0]} grants, {made.faults}")
    assert made.lost() == 0
    assert made.register.rows("SELECT value FROM register") == [(len(written),)]
    assert written == sorted(set(written))  # no late write, no fence twice
    assert granted[0][0] == granted[0][1]


@needs("postgres", "mysql", "redis")
@pytest.mark.parametrize("engine", ENGINES)
def test_same_run_without_the_fence_loses_additions(
    engine: str, databases: Callable[[str], Database], tell: Callable[[str], None]
) -> None:
    with run(engine, databases, fenced=False) as made:
        over_at = time.monotonic() + LONGEST_S
        while not made.lost():
            assert time.monotonic() < over_at, "the run finds nothing: it proves nothing"
            made.stop()
    tell(f"{made.lost()} of {made.count('ledger')} additions lost")


@needs("postgres", "pgbouncer")
@pytest.mark.parametrize(("engine", "atomic"), [("advisory", True), ("advisory", False), ("database", False)])
def test_one_holder_behind_a_transaction_pooler(
    engine: str, atomic: bool, databases: Callable[[str], Database], tell: Callable[[str], None]
) -> None:
    database = databases("postgres")
    database.rows(TABLES)
    with ExitStack() as stack:
        made = Run(engine, database, stack.enter_context(bounced(database, pool=4)), atomic=atomic)
        stack.callback(made.end)
        for _ in range(3 * 4):
            made.start()
        until(lambda: made.count("ledger") > rounds(200, 1000), "they work")
    tell(f"{made.count('ledger')} additions of twelve over four connections")
    assert made.lost() == 0
    assert made.register.rows("SELECT count(*) FROM grants") == made.register.rows(
        "SELECT count(DISTINCT fence) FROM grants"
    )
