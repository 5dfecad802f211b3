"""BEGIN that travels with the first statement of a transaction on PostgreSQL: a round trip fewer."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
from django.db.backends.base.base import BaseDatabaseWrapper

IDLE: Final = psycopg.pq.TransactionStatus.IDLE


def is_to_begin(connection: BaseDatabaseWrapper) -> bool:
    """Return whether Django has opened a transaction that the server has yet to hear of."""
    raw = connection.connection
    return not raw.autocommit and raw.pgconn.transaction_status == IDLE


def may_join(connection: BaseDatabaseWrapper) -> bool:
    """Return whether several statements may travel together, and BEGIN needs no options."""
    raw = connection.connection
    plain = raw.isolation_level is None and raw.read_only is None and raw.deferrable is None
    return plain and not connection.features.uses_server_side_binding  # type: ignore[attr-defined]


@contextmanager
def own_begin(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Keep psycopg from sending BEGIN before a statement that brings its own.

    By its private field, since psycopg changes autocommit between transactions only: others must
    see it off, else Django opens server-side cursors WITH HOLD, which select_for_update() refuses.
    """
    connection.connection._autocommit = True
    try:
        yield
    finally:
        connection.connection._autocommit = False
