"""Faults that are real: a proxy that counts what goes to a database and cuts the line, a server that is not there."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import sleep
from typing import Any, Final
from unittest import SkipTest

from django.db import connections

STANDARD_PORTS: Final = {"postgresql": 5432, "mysql": 3306}
CHUNK_BYTES: Final = 1 << 16
#: One of these ends each round trip: Query and Sync of PostgreSQL.
POSTGRESQL_ENDS: Final = (b"Q", b"S")
MYSQL_QUERY: Final = 3


class Proxy:
    """Stand between this process and one server; each connection has two threads."""

    def __init__(self, target: tuple[str, int], vendor: str) -> None:
        self._target, self._vendor = target, vendor
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self.port: int = self._listener.getsockname()[1]
        self.round_trips = 0
        self.cut_at: bytes | None = None  # cut the line when a client sends this
        self.deliver = False  # whether the server still gets what the line is cut at
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                self._sockets += [client, server]
                threading.Thread(target=self._forth, args=(client, server), daemon=True).start()
                threading.Thread(target=self._back, args=(client, server), daemon=True).start()

    def _forth(self, client: socket.socket, server: socket.socket) -> None:
        greeted = self._vendor != "postgresql"
        with contextlib.suppress(OSError):
            while data := client.recv(CHUNK_BYTES):
                if greeted:
                    self.round_trips += self._ends(data)
                greeted = True
                if self.cut_at is not None and self.cut_at in data.upper():
                    if self.deliver:
                        server.sendall(data)
                    else:
                        _cut(server)
                    _cut(client)
                    return
                server.sendall(data)
        _cut(server)

    def _back(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(CHUNK_BYTES):
                client.sendall(data)
        _cut(client)

    def _ends(self, data: bytes) -> int:
        """Return how many round trips a packet of whole messages asks for."""
        ends = place = 0
        while place + 5 <= len(data):
            if self._vendor == "postgresql":
                ends += data[place : place + 1] in POSTGRESQL_ENDS
                place += 1 + int.from_bytes(data[place + 1 : place + 5], "big")
            else:
                ends += data[place + 4] == MYSQL_QUERY and data[place + 3] == 0
                place += 4 + int.from_bytes(data[place : place + 3], "little")
        return ends

    def close(self) -> None:
        """Take no more connections, and cut those there are."""
        self._listener.close()
        for held in self._sockets:
            _cut(held)


def _cut(line: socket.socket) -> None:
    with contextlib.suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
    line.close()


@contextmanager
def proxied(alias: str) -> Iterator[Proxy]:
    """Send what goes to the database ``alias`` through a proxy; skips what is not reached by TCP."""
    settings = connections[alias].settings_dict
    vendor = connections[alias].vendor
    if vendor not in STANDARD_PORTS or str(settings["HOST"]).startswith("/"):
        raise SkipTest(f"database {alias!r} is not reached by TCP")
    target = (settings["HOST"] or "127.0.0.1", int(settings["PORT"] or STANDARD_PORTS[vendor]))
    proxy = Proxy(target, vendor)
    plain = {"sslmode": "disable"} if vendor == "postgresql" else {}
    try:
        options = {**settings["OPTIONS"], **plain}
        with rerouted(alias, HOST="127.0.0.1", PORT=str(proxy.port), OPTIONS=options):
            yield proxy
    finally:
        proxy.close()


@contextmanager
def rerouted(alias: str, **changes: Any) -> Iterator[None]:
    """Connect to ``alias`` by other settings; new connections of all threads, this one's too."""
    settings = connections[alias].settings_dict
    before = {name: settings[name] for name in changes}
    connections[alias].close()
    settings.update(changes)
    try:
        yield
    finally:
        connections[alias].close()
        settings.update(before)


def unreachable(alias: str) -> Any:
    """Return a context in which no server answers for ``alias``."""
    if connections[alias].vendor == "sqlite":
        return rerouted(alias, NAME="/nowhere/at/all.sqlite3")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    return rerouted(alias, HOST="127.0.0.1", PORT=str(port))


def kill(alias: str, session: int) -> None:
    """End another session of the database ``alias`` from outside."""
    killing = {"postgresql": "SELECT pg_terminate_backend(%s)", "mysql": "KILL %s"}
    with connections[alias].cursor() as cursor:
        cursor.execute(killing[connections[alias].vendor], [session])


def end_when_idle(alias: str) -> None:
    """Let the server end this thread's session for standing idle in its transaction, and return when it has."""
    session, vendor = session_of(alias), connections[alias].vendor
    limit = {
        "postgresql": "SET LOCAL idle_in_transaction_session_timeout = '10ms'",
        "mysql": "SET SESSION wait_timeout = 1",  # whole seconds
    }
    asking = {
        "postgresql": "SELECT 1 FROM pg_stat_activity WHERE pid = %s",
        "mysql": "SELECT 1 FROM information_schema.processlist WHERE id = %s",
    }
    with connections[alias].cursor() as cursor:
        cursor.execute(limit[vendor])
    other = connections[alias].copy()
    try:
        with other.cursor() as cursor:
            cursor.execute(asking[vendor], [session])
            while cursor.fetchone():
                sleep(0.01)
                cursor.execute(asking[vendor], [session])
    finally:
        other.close()


def session_of(alias: str) -> int:
    """Return what kill() takes for the connection of this thread."""
    asking = {"postgresql": "SELECT pg_backend_pid()", "mysql": "SELECT CONNECTION_ID()"}
    with connections[alias].cursor() as cursor:
        cursor.execute(asking[connections[alias].vendor])
        (session,) = cursor.fetchone()
    return int(session)


def blocked(alias: str) -> bool:
    """Return whether a session waits for a lock of another; SQLite does not tell, so it counts as so."""
    asking = {
        "postgresql": "SELECT count(*) FROM pg_locks WHERE NOT granted",
        # Who waits is still at its statement; innodb_trx would tell, but stands still while it is asked often.
        "mysql": "SELECT count(*) FROM information_schema.processlist"
        " WHERE db = DATABASE() AND id <> CONNECTION_ID() AND info LIKE '%%INTO django_dist%%'",
    }
    statement = asking.get(connections[alias].vendor)
    if statement is None:
        return True
    with connections[alias].cursor() as cursor:
        cursor.execute(statement, [])
        (count,) = cursor.fetchone()
    return bool(count)


class Timeout(Exception):
    """As clients of HTTP name theirs: no TimeoutError of Python's."""


class ReadTimeout(Timeout):
    """One of several kinds."""
