"""A relay between the ledger and its database that cuts one connection when a word goes by."""

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace

from .databases import Database


class Proxy:
    """Relays until it is armed, cuts once, and relays on."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._sockets: list[socket.socket] = [self._listener]
        self._word, self._delivered = b"", False
        self.port: int = self._listener.getsockname()[1]
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, word: bytes, *, delivered: bool) -> None:
        """Cut the next connection whose client sends ``word``: before the server gets it, or after it has answered."""
        self._delivered, self._word = delivered, word

    def close(self) -> None:
        """Cut everything."""
        for one in self._sockets:
            _cut(one)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._target)
                self._sockets += [client, server]
                mute = threading.Event()  # the server's next answer is to be lost
                threading.Thread(target=self._ask, args=[client, server, mute], daemon=True).start()
                threading.Thread(target=self._answer, args=[client, server, mute], daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket, mute: threading.Event) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                if self._word and self._word in data.upper():  # statements are short: one send, one read
                    self._word = b""
                    self.cuts += 1
                    if not self._delivered:
                        break
                    mute.set()
                server.sendall(data)
        if not mute.is_set():
            _cut(client, server)

    def _answer(self, client: socket.socket, server: socket.socket, mute: threading.Event) -> None:
        with suppress(OSError):
            while (data := server.recv(65536)) and not mute.is_set():
                client.sendall(data)
        _cut(client, server)


def _cut(*sockets: socket.socket) -> None:
    for one in sockets:
        with suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()


@contextmanager
def relayed(database: Database) -> Iterator[tuple[Database, Proxy]]:
    """Give ``database`` as it is seen through a proxy, and the proxy."""
    plain = {"postgresql": {"sslmode": "disable"}}.get(database.vendor, {})
    with ExitStack() as stack:
        proxy = Proxy((database.settings["HOST"], database.settings["PORT"]))
        stack.callback(proxy.close)
        there = {"HOST": "127.0.0.1", "PORT": proxy.port, "OPTIONS": plain}
        yield replace(database, settings={**database.settings, **there}), proxy
