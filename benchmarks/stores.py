"""Databases of a benchmark's own: made, handed to Django with a connection that lasts, and dropped."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.utils import load_backend


@dataclass(frozen=True)
class Store:
    """Two empty databases of one kind; ``second`` is for what needs many rows."""

    vendor: str
    settings: dict[str, Any]
    second: str
    url: str  # of the first, for clients of their own


@contextmanager
def store(url: str) -> Iterator[Store]:
    """Make two databases on the server behind ``url`` (``postgresql://...``, or ``sqlite://``), and drop them after."""
    scheme = urlsplit(url).scheme
    with ExitStack() as stack:
        if scheme in ("postgres", "postgresql"):
            yield stack.enter_context(_postgresql(url))
        elif scheme == "sqlite":
            yield stack.enter_context(_sqlite())
        else:
            raise SystemExit(f"--database-url {url}: postgresql:// and sqlite:// are known")


@contextmanager
def _postgresql(url: str) -> Iterator[Store]:
    import psycopg

    parts = urlsplit(url)
    host, port, user = parts.hostname or "127.0.0.1", parts.port or 5432, unquote(parts.username or "postgres")
    password = unquote(parts.password or "")
    known: dict[str, Any] = {"host": host, "port": port, "user": user, "password": password}
    names = [f"django_dist_bench_{os.getpid()}_{part}" for part in ("a", "b")]
    try:
        server = psycopg.connect(**known, dbname=parts.path.strip("/") or "postgres", autocommit=True)
    except psycopg.OperationalError as error:
        raise SystemExit(f"not run: PostgreSQL at {host}:{port}: {error}") from error
    with server:
        try:
            for name in names:
                server.execute(f"CREATE DATABASE {name}")
            settings = {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": names[0],
                "CONN_MAX_AGE": None,
                **{key.upper(): value for key, value in known.items()},
            }
            secret = f":{parts.password}" if parts.password else ""
            yield Store("postgresql", settings, names[1], f"postgresql://{user}{secret}@{host}:{port}/{names[0]}")
        finally:
            connections.close_all()
            for name in names:
                server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextmanager
def _sqlite() -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(Path(folder) / "a.sqlite3"),
            "CONN_MAX_AGE": None,
            "OPTIONS": {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL"},
        }
        yield Store("sqlite", settings, str(Path(folder) / "b.sqlite3"), "")
        connections.close_all()


def another_connection(name: str) -> BaseDatabaseWrapper:
    """Return a connection to database ``name`` that can stand in for the default one, as ``connections["default"]``."""
    settings = {**connections.settings["default"], "NAME": name}
    wrapper: BaseDatabaseWrapper = load_backend(settings["ENGINE"]).DatabaseWrapper(settings, "default")
    return wrapper


@contextmanager
def on(connection: BaseDatabaseWrapper) -> Iterator[BaseDatabaseWrapper]:
    """Make ``connection`` the default one for the block."""
    usual = connections["default"]
    connections["default"] = connection
    try:
        yield connection
    finally:
        connections["default"] = usual


def described(connection: BaseDatabaseWrapper) -> str:
    """Return name and version of the server and what decides how long a commit takes."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT current_setting('server_version'), current_setting('synchronous_commit'), "
                "current_setting('fsync')"
            )
            version, synchronous, fsync = cursor.fetchone()
            return f"PostgreSQL {version.split()[0]}, synchronous_commit {synchronous}, fsync {fsync}"
        cursor.execute("PRAGMA journal_mode")
        (journal,) = cursor.fetchone()
        cursor.execute("PRAGMA synchronous")
        (synchronous,) = cursor.fetchone()
    return f"SQLite {sqlite3.sqlite_version}, journal {journal}, synchronous {synchronous}, BEGIN IMMEDIATE"


def settle(connection: BaseDatabaseWrapper) -> None:
    """Do now what the server would else do in the background while we measure."""
    statements = (
        ["VACUUM ANALYZE", "CHECKPOINT"] if connection.vendor == "postgresql" else ["PRAGMA wal_checkpoint(TRUNCATE)"]
    )
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
