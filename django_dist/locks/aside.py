"""Connections beside those of Django's threads: what is written on them is committed whatever a transaction does."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper


class Aside:
    """Connections to one database, each lent to one thread at a time and kept as long as CONN_MAX_AGE says."""

    def __init__(self, database: str) -> None:
        self._database = database
        self._forget()

    def _forget(self) -> None:
        self._pid, self._changing = os.getpid(), threading.Lock()
        self._idle: list[BaseDatabaseWrapper] = []

    @contextmanager
    def connection(self) -> Iterator[BaseDatabaseWrapper]:
        """Lend a connection in autocommit for the block."""
        if self._pid != os.getpid():  # those of the parent are its own
            self._forget()
        with self._changing:
            lent = self._idle.pop() if self._idle else None
        connection = self._made() if lent is None else lent
        try:
            if not connection.get_autocommit():
                connection.set_autocommit(True)
            yield connection
        except BaseException:
            connection.close()
            self.close()  # the others may have been lost with it
            raise
        connection.close_if_unusable_or_obsolete()
        if connection.connection is not None:
            with self._changing:
                self._idle.append(connection)

    def _made(self) -> BaseDatabaseWrapper:
        made: BaseDatabaseWrapper = connections.create_connection(self._database)
        made.inc_thread_sharing()
        return made

    def close(self) -> None:
        """Close those that nobody has at the moment."""
        with self._changing:
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
