"""A database of the demo's own: created on the server that a URL names, dropped when the demo ends."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from shop.databases import stand_in_for_mysqlclient

Run = Callable[[str], Any]


@contextmanager
def own_database(url: str, folder: Path) -> Iterator[str]:
    """Yield the URL of a new, empty database beside the one that ``url`` names, which is left alone."""
    parts = urlsplit(url)
    kind = parts.scheme.split("+")[0]
    if kind.startswith("sqlite"):
        yield f"sqlite:///{folder / 'shop.sqlite3'}"
        return
    if kind not in {"postgres", "postgresql", "mysql"}:
        sys.exit(f"DATABASE_URL: {parts.scheme}:// is not one of sqlite, postgres, mysql.")
    on_postgres = kind != "mysql"
    run = _postgres(url) if on_postgres else _mysql(url)
    name = f"{parts.path.strip('/') or 'shop'}_demo_{os.getpid()}"
    quoted = f'"{name}"' if on_postgres else f"`{name}`"
    try:
        run(f"CREATE DATABASE {quoted}" + ("" if on_postgres else " CHARACTER SET utf8mb4"))
    except Exception as error:  # noqa: BLE001  (each driver has its own)
        sys.exit(f"DATABASE_URL: no database could be made on {parts.hostname}: {error}")
    try:
        yield parts._replace(path=f"/{name}").geturl()
    finally:
        run(f"DROP DATABASE {quoted}" + (" WITH (FORCE)" if on_postgres else ""))


def _postgres(url: str) -> Run:
    import psycopg

    def run(statement: str) -> Any:
        with psycopg.connect(urlsplit(url)._replace(path="/postgres").geturl(), autocommit=True) as connection:
            return connection.execute(statement)

    return run


def _mysql(url: str) -> Run:
    stand_in_for_mysqlclient()
    import MySQLdb

    parts = urlsplit(url)
    server = {
        "host": parts.hostname or "127.0.0.1",
        "port": parts.port or 3306,
        "user": unquote(parts.username or "root"),
        "password": unquote(parts.password or ""),
    }

    def run(statement: str) -> Any:
        connection = MySQLdb.connect(**server)
        try:
            return connection.cursor().execute(statement)
        finally:
            connection.close()

    return run
