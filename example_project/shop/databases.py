"""What each kind of database needs beside its address."""

from typing import Any


def tune(database: dict[str, Any]) -> dict[str, Any]:
    """Return the entry of DATABASES for several processes at work on it."""
    if database["ENGINE"].endswith("sqlite3"):
        database["OPTIONS"] = {
            "transaction_mode": "IMMEDIATE",  # a transaction that reads first can then always write
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL",
            "timeout": 20,
        }
    elif database["ENGINE"].endswith("mysql"):
        stand_in_for_mysqlclient()
    return database


def stand_in_for_mysqlclient() -> None:
    """Let PyMySQL stand in where mysqlclient, which has to be compiled, is not installed."""
    try:
        import MySQLdb  # noqa: F401
    except ImportError:
        import pymysql

        pymysql.version_info = (2, 2, 7, "final", 0)  # the least that Django asks of mysqlclient
        pymysql.install_as_MySQLdb()
