"""Checks of the stores that DIST_LOCKS names: what keeps a lock from being held by one alone, or from being told."""

from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.db import DatabaseError, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from ..exceptions import BackendUnavailable
from ..locks.base import LockBackend
from ..locks.database import DatabaseLocks
from ..locks.registry import locks
from ..models import StoredLock
from .base import Report, advice, median_ms, unanswered, wrong
from .policies import FAULTS

TWO_HOLDERS: Final = "a lock that is held is then granted to another, too"
NOBODY: Final = "dist_doctor"


def examine_locks() -> list[Report]:
    """Return a report for every alias of DIST_LOCKS; none where the setting is not there."""
    return [_examine(alias) for alias in locks.aliases()] if hasattr(settings, locks.setting) else []


def _examine(alias: str) -> Report:
    report = Report(locks.setting, alias, "-")
    try:
        store = locks[alias]
        report.backend = type(store).__name__
        _KINDS.get(report.backend, _other)(report, store)
    except FAULTS as error:
        report.findings.append(wrong(str(error), "manage.py check tells more"))
    except (BackendUnavailable, DatabaseError) as error:
        report.findings.append(unanswered(error, "start it, or correct its address and password"))
    return report


def _ask(store: LockBackend) -> Callable[[], object]:
    return lambda: store.check(NOBODY, NOBODY, 0)


def _other(report: Report, store: LockBackend) -> None:
    report.round_trip_ms = median_ms(_ask(store))
    report.server = "this process" if store.per_process else "answers"


def _database(report: Report, store: LockBackend) -> None:
    assert isinstance(store, DatabaseLocks)  # noqa: S101  (for mypy)
    connection = _connected(report, store.database)
    if _lacks(report, connection, StoredLock._meta.db_table in connection.introspection.table_names(), "table"):
        return
    report.round_trip_ms = median_ms(_ask(store))
    _standbys(report, connection)
    if connection.vendor == "mysql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT @@session.transaction_isolation" if _is_mysql(connection) else "SELECT @@tx_isolation"
            )
            (isolation,) = cursor.fetchone()
        if isolation == "REPEATABLE-READ":
            report.findings.append(
                advice(
                    "transactions are REPEATABLE READ: one that takes a lock after it has read sees old rows",
                    "take locks before transactions, or set 'isolation_level': 'read committed' in OPTIONS",
                )
            )


def _advisory(report: Report, store: LockBackend) -> None:
    from ..locks.postgres import AdvisoryLocks

    assert isinstance(store, AdvisoryLocks)  # noqa: S101  (for mypy)
    connection = _connected(report, store.database)
    with connection.cursor() as cursor:
        report.round_trip_ms = median_ms(lambda: cursor.execute("SELECT to_regclass('django_dist_fence') IS NOT NULL"))
        (found,) = cursor.fetchone()
    if not _lacks(report, connection, found, "sequence"):
        _standbys(report, connection)
        if not connection.settings_dict["CONN_MAX_AGE"] and connection.settings_dict["CONN_MAX_AGE"] is not None:
            report.findings.append(
                advice(
                    "CONN_MAX_AGE is 0: each lock outside of a transaction opens a connection",
                    "set CONN_MAX_AGE, or take these locks inside of atomic()",
                )
            )


def _redis(report: Report, store: LockBackend) -> None:
    from ..idempotency.redis_leases import client_of
    from ..locks.redis import RedisLocks
    from . import redis

    assert isinstance(store, RedisLocks)  # noqa: S101  (for mypy)
    report.database = store.connection
    redis.fill(report, redis.Subject(client_of(store.connection), (), TWO_HOLDERS), _ask(store))


def _connected(report: Report, database: str) -> BaseDatabaseWrapper:
    report.database, connection = database, connections[database]
    report.server = connection.display_name
    connection.ensure_connection()
    return connection


def _lacks(report: Report, connection: BaseDatabaseWrapper, found: bool, what: str) -> bool:
    if not found:
        mend = f"run: manage.py migrate django_dist --database {connection.alias}"
        report.findings.append(wrong(f"the {what} of locks is missing", mend))
    return not found


def _standbys(report: Report, connection: BaseDatabaseWrapper) -> None:
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FILTER (WHERE sync_state = 'async'), current_setting('synchronous_standby_names') "
            "FROM pg_stat_replication"
        )
        late, named = cursor.fetchone()
    if late and not named:
        report.findings.append(
            advice(
                f"{late} standbys are asynchronous: one that is promoted may not have the last locks; {TWO_HOLDERS}",
                "name a standby in synchronous_standby_names, or let what is written to ask the fence",
            )
        )


def _is_mysql(connection: BaseDatabaseWrapper) -> bool:
    return not getattr(connection, "mysql_is_mariadb", True)


_KINDS: Final = {"DatabaseLocks": _database, "AdvisoryLocks": _advisory, "RedisLocks": _redis}
