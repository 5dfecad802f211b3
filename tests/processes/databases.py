"""Databases made for one run on the real servers, handed to the ledger as settings, and dropped after."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import services

SITE = Path(__file__).parent / "site"


@dataclass(frozen=True)
class Database:
    """One database: what Django needs to know of it, and a way to look into it past Django."""

    vendor: str
    settings: dict[str, Any]
    store: dict[str, Any] | None = None  # the ledger's DIST_IDEMPOTENCY, where records are kept elsewhere
    caches: dict[str, Any] | None = None  # and its CACHES
    sessions: dict[str, Any] | None = None  # engine and options of its sessions, where it keeps some
    replica: dict[str, Any] | None = None  # the entry of DATABASES that it reads from

    def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Return the rows of one statement, over a connection of its own."""
        with closing(connect(self.vendor, self.settings)) as connection, closing(connection.cursor()) as cursor:
            cursor.execute(sql.replace("%s", "?") if self.vendor == "sqlite" else sql, values)
            found = list(cursor.fetchall()) if cursor.description else []
            connection.commit()
            return found

    def effects(self, order: str) -> int:
        """Return how often ``order`` took effect."""
        ((count,),) = self.rows("SELECT count(*) FROM ledger_effect WHERE order_name = %s", order)
        return int(count)

    def doubled(self) -> list[tuple[str, int]]:
        """Return every order that took effect more than once."""
        return self.rows("SELECT order_name, count(*) FROM ledger_effect GROUP BY order_name HAVING count(*) > 1")  # type: ignore[return-value]

    def left_open(self) -> list[tuple[Any, ...]]:
        """Return the transactions that are open now, and holders of advisory locks, as the server lists them."""
        if self.vendor == "postgresql":
            return self.rows(
                "SELECT pid, state, query FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid() "
                "AND (xact_start IS NOT NULL OR state LIKE 'idle in transaction%%' "
                "OR pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory'))",
                self.settings["NAME"],
            )
        if self.vendor == "mysql":
            return self.rows(
                "SELECT p.id, t.trx_state, t.trx_query FROM information_schema.innodb_trx t "
                "JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id "
                "WHERE p.db = %s AND p.id <> connection_id()",
                self.settings["NAME"],
            )
        return []

    def waiting(self) -> int:
        """Return how many statements wait for another transaction, as the server lists them."""
        if self.vendor == "postgresql":
            sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s AND wait_event_type = 'Lock'"
        else:  # innodb_trx says it better, but stands still while it is asked again and again
            sql = (
                "SELECT count(*) FROM information_schema.processlist WHERE db = %s AND command = 'Query' "
                "AND info LIKE '%%INTO django_dist_request%%' AND id <> connection_id() AND time_ms > 20"
            )
        return int(self.rows(sql, self.settings["NAME"])[0][0])


def connect(vendor: str, settings: dict[str, Any]) -> Any:
    """Return a connection of the database's own driver."""
    if vendor == "sqlite":
        return sqlite3.connect(settings["NAME"], timeout=20)
    known: dict[str, Any] = {"host": settings["HOST"], "port": settings["PORT"], "user": settings["USER"]}
    if vendor == "postgresql":
        import psycopg

        return psycopg.connect(**known, password=settings["PASSWORD"], dbname=settings["NAME"])
    services.import_mysql()
    import MySQLdb

    return MySQLdb.connect(**known, password=settings["PASSWORD"], database=settings["NAME"])


@contextmanager
def made(store: str, folder: Path) -> Iterator[Database]:
    """Make a database with the ledger's tables in ``store``, as services.py names it; drop it after."""
    if store == "sqlite":
        options = {"transaction_mode": "IMMEDIATE", "init_command": "PRAGMA journal_mode=WAL", "timeout": 20}
        name = str(folder / "ledger.sqlite3")
        database = Database(
            store, {"ENGINE": "django.db.backends.sqlite3", "NAME": name, "OPTIONS": options, "CONN_MAX_AGE": None}
        )
        migrate(database, folder)
        yield database
        return
    server = services.database(store)
    server["PORT"] = int(server["PORT"] or {"postgres": 5432, "mysql": 3306}[store])
    name = f"django_dist_processes_{os.getpid()}"
    settings = {**server, "NAME": name, "CONN_MAX_AGE": None, "OPTIONS": {}}
    settings.pop("TEST")
    vendor = {"postgres": "postgresql"}.get(store, store)
    database = Database(vendor, settings)
    server["NAME"] = (urlsplit(services.url(store) or "").path.strip("/") or "postgres") if store == "postgres" else ""
    try:
        _order(vendor, server, f"CREATE DATABASE {name}")
        migrate(database, folder)
        yield database
    finally:
        _order(vendor, server, f"DROP DATABASE IF EXISTS {name}{' WITH (FORCE)' if store == 'postgres' else ''}")


def _order(vendor: str, server: dict[str, Any], sql: str) -> None:
    with closing(connect(vendor, server)) as connection:
        if vendor == "postgresql":
            connection.autocommit = True
        connection.cursor().execute(sql)


def migrate(database: Database, folder: Path) -> None:
    """Make the tables."""
    arguments = [sys.executable, "-m", "django", "migrate", "--run-syncdb", "--verbosity", "0"]
    subprocess.run(arguments, cwd=SITE, env=environment(database, folder), check=True)


def environment(database: Database, folder: Path) -> dict[str, str]:
    """Return the environment of a process of the ledger."""
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(SITE), os.environ.get("PYTHONPATH")])),
        "DJANGO_SETTINGS_MODULE": "ledger.settings",
        "LEDGER_DATABASE": json.dumps(database.settings),
        "LEDGER_SCRATCH": str(folder),
        **({} if database.store is None else {"LEDGER_STORE": json.dumps(database.store)}),
        **({} if database.sessions is None else {"LEDGER_SESSIONS": json.dumps(database.sessions)}),
        **({} if database.replica is None else {"LEDGER_REPLICA": json.dumps(database.replica)}),
        **({} if database.caches is None else {"LEDGER_CACHES": json.dumps(database.caches)}),
    }
