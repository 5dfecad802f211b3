"""A relay between the ledger and its store that cuts one connection when a word goes by."""

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
        self._word, self._delivered, self._silent = b"", False, False
        self.swallowed = threading.Event()
        self.port: int = self._listener.getsockname()[1]
        self.cuts = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def arm(self, word: bytes, *, delivered: bool, silent: bool = False) -> None:
        """Cut the next connection whose client sends ``word``: before the server gets it, or after it has answered.

        Where ``silent``, the connection stays, and ``swallowed`` tells that its client will wait in vain.
        """
        self.swallowed.clear()
        self._delivered, self._silent, self._word = delivered, silent, word

    def turn(self, port: int) -> None:
        """Cut all connections, and lead new ones to ``port``."""
        self._target = ("127.0.0.1", port)
        _cut(*self._sockets[1:])
        del self._sockets[1:]

    def close(self) -> None:
        """Cut everything."""
        _cut(*self._sockets)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                try:
                    server = socket.create_connection(self._target)
                except OSError:
                    _cut(client)
                    continue
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
                    if self._delivered:
                        mute.set()
                    elif self._silent:
                        self.swallowed.set()
                        continue
                    else:
                        break
                server.sendall(data)
        if not mute.is_set():
            _cut(client, server)

    def _answer(self, client: socket.socket, server: socket.socket, mute: threading.Event) -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                if not mute.is_set():
                    client.sendall(data)
                elif self._silent:
                    self.swallowed.set()
                else:
                    break
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
