"""The statements of locks, a module a database: one round trip each, by the clock of the database."""

from importlib import import_module

from django.db.backends.base.base import BaseDatabaseWrapper

from ...exceptions import InvalidBackend
from .base import Plan


def plan_for(connection: BaseDatabaseWrapper) -> Plan:
    """Return the statements of the database behind ``connection``."""
    try:
        plan: Plan = import_module(f"{__name__}.{connection.vendor}").plan
    except ModuleNotFoundError as error:
        known = "SQLite, PostgreSQL, MariaDB and MySQL"
        raise InvalidBackend(f"database {connection.alias!r}: {connection.vendor} is not one of {known}") from error
    return plan
