"""The statements of ``atomic`` mode, a module a database: claim a digest, record an answer."""

from importlib import import_module

from django.db.backends.base.base import BaseDatabaseWrapper

from ...exceptions import InvalidBackend
from .base import Plan


def plan_for(connection: BaseDatabaseWrapper) -> Plan:
    """Return the plan of the database behind ``connection``."""
    try:
        plan: Plan = import_module(f"{__name__}.{connection.vendor}").plan
    except ModuleNotFoundError as error:
        if error.name == "psycopg":
            raise InvalidBackend("PostgreSQL needs psycopg 3: pip install 'django-dist[postgres]'") from error
        known = "SQLite, PostgreSQL, MariaDB and MySQL"
        raise InvalidBackend(f"database {connection.alias!r}: {connection.vendor} is not one of {known}") from error
    return plan
