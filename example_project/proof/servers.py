"""The example shop under a real server of several processes, each of which may be killed."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from .processes import children

EXAMPLE: Final = Path(__file__).resolve().parent.parent
READY_SECONDS: Final = 30.0
WORKERS: Final = {"gunicorn": 3, "uvicorn": 3}


class ServerFailed(Exception):
    """The server did not start; the message ends with the last lines of its log."""


class Server:
    """A running server: its address, and the processes that answer."""

    def __init__(self, name: str, process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
        self.name, self.process, self.port, self.log = name, process, port, log
        self.url = f"http://127.0.0.1:{port}"

    def workers(self) -> list[int]:
        """Return the ids of the worker processes that live now."""
        return children(self.process.pid)

    def last_lines(self) -> str:
        """Return the end of the server's log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])


@contextmanager
def serve(name: str, folder: Path) -> Iterator[Server]:
    """Start ``name`` ("gunicorn" or "uvicorn") on a free port, yield it when it answers, then stop all of it."""
    port, log = _free_port(), folder / f"{name}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            _command(name, port), cwd=EXAMPLE, stdout=out, stderr=out, stdin=subprocess.DEVNULL, start_new_session=True
        )
    server = Server(name, process, port, log)
    try:
        _await_ready(server)
        yield server
    finally:
        _stop(process)


def _command(name: str, port: int) -> list[str]:
    workers = str(WORKERS[name])
    if name == "gunicorn":
        return [
            *(sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{port}"),
            *("--workers", workers, "--threads", "4", "--log-level", "warning", "shop.wsgi"),
        ]
    return [
        *(sys.executable, "-m", "uvicorn", "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", workers, "--lifespan", "off", "--log-level", "warning", "shop.asgi:application"),
    ]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _await_ready(server: Server) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not _answers(server):
        if time.monotonic() > deadline or server.process.poll() is not None:
            raise ServerFailed(f"{server.name} does not answer on {server.url}:\n{server.last_lines()}")
        time.sleep(0.02)


def _answers(server: Server) -> bool:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{server.url}/health", timeout=1):
            return True
    except OSError:
        return False


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """Ask the server to end, and end its whole session after five seconds."""
    process.terminate()
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=5)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # it leads a session of its own
        process.wait()
