"""Real servers of the ledger, each a process group of its own that is gone when the block is left."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any

from .clients import Client, until
from .databases import SITE, Database, environment

GUNICORN = ["-m", "gunicorn", "ledger.wsgi", "--config", "gunicorn_settings.py", "--preload", "--log-level", "error"]
UVICORN = ["-m", "uvicorn", "ledger.asgi:application", "--log-level", "error", "--lifespan", "off"]


@dataclass(frozen=True)
class Server(Client):
    """A server that runs."""

    process: subprocess.Popen[bytes]
    folder: Path

    def workers(self) -> list[int]:
        """Return the process ids of the workers that live."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [int(child) for child in children if _lives(child)]

    def warm(self) -> int:
        """Return how many workers of uvicorn live that have done their imports."""
        living = self.workers()
        return sum(pid in living for pid, _ in self.notes("warm", "worker"))

    def notes(self, what: str, order: str) -> list[tuple[int, float]]:
        """Return process id and time of every note of ``what`` on ``order``."""
        path = self.folder / f"{what}-{order}"
        lines = path.read_text().splitlines() if path.exists() else []
        return [(int(pid), float(at)) for pid, at in (line.split() for line in lines)]

    def errors(self) -> str:
        """Return what the server has written to its log."""
        return (self.folder / "log").read_text()


@contextmanager
def gunicorn(database: Database, *, workers: int, threads: int = 1) -> Iterator[Server]:
    """Serve by gunicorn: sync workers, or gthread where there are several threads."""
    kind = ["--worker-class", "gthread", "--threads", str(threads)] if threads > 1 else []
    with _serving(database, [*GUNICORN, "--workers", str(workers), *kind], "--bind=fd://{}") as server:
        yield server


@contextmanager
def uvicorn(database: Database, *, workers: int = 1) -> Iterator[Server]:
    """Serve by uvicorn."""
    several = ["--workers", str(workers)] if workers > 1 else []
    with _serving(database, [*UVICORN, *several], "--fd={}") as server:
        yield server


@contextmanager
def _serving(database: Database, arguments: list[str], bind: str) -> Iterator[Server]:
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        # The socket is ours, so no other process can take its port before the server has it.
        number = listener.fileno()
        arguments = [sys.executable, *arguments, bind.format(number)]
        with (
            open(Path(folder, "log"), "wb") as log,
            group(arguments, log, cwd=SITE, env=environment(database, Path(folder)), pass_fds=[number]) as process,
        ):
            server = Server(listener.getsockname()[1], process, Path(folder))
            listener.close()
            try:
                until(lambda: _ready(server), "an answer of the server")
                yield server
            finally:
                print(f"The server's log ends with:\n{server.errors()[-4000:]}")  # pytest shows it on failure


@contextmanager
def group(arguments: list[str], log: Any, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process and what it starts; nothing of it is left behind."""
    with subprocess.Popen(
        arguments, stdout=log, stderr=subprocess.STDOUT, start_new_session=True, **options
    ) as process:
        try:
            yield process
        finally:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def _lives(pid: str) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"  # dead, and its parent has not noticed


def _ready(server: Server) -> bool:
    if server.process.poll() is not None:
        raise AssertionError(f"the server ended at its start:\n{server.errors()}")
    try:
        return bool(server.get("who"))
    except (OSError, HTTPException):
        return False
