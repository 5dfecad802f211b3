"""A relay between HTTP clients and a server that drops, delays and duplicates requests, as its list of faults says."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .clients import PATIENCE

#: Lost on the way there; answered, and the answer lost; answered, and the answer torn; delivered after the client's
#: next try has been answered; delivered twice at once, and both answered.
LOST, DROPPED, TORN, LATE, TWICE, NONE = "lost", "dropped", "torn", "late", "twice", ""
FAULTS = (LOST, DROPPED, TORN, LATE, TWICE)


class Faulty:
    """Relays each POST with the next fault; what is not a POST goes through."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.faults: list[str] = []
        self.delivered = 0
        self.late: list[threading.Thread] = []
        self._next = threading.Event()  # the try after a late one has been answered
        self._pool = ThreadPoolExecutor(4)

    def settle(self) -> None:
        """Wait until all that is late has been delivered."""
        self._next.set()
        for one in self.late:
            one.join(PATIENCE)
            assert not one.is_alive()
        self.late.clear()

    def relay(self, handler: BaseHTTPRequestHandler) -> None:
        """Carry one request over."""
        body = handler.rfile.read(int(handler.headers["Content-Length"] or 0))
        request = (handler.command, handler.path, body, dict(handler.headers.items()) | {"Connection": "close"})
        fault = self.faults.pop(0) if self.faults and handler.command == "POST" else NONE
        handler.close_connection = True
        if fault == LOST:
            return
        if fault == LATE:
            self._next.clear()
            self.late.append(threading.Thread(target=self._deliver_late, args=[request]))
            self.late[-1].start()
            return
        if fault == TWICE:
            self._pool.submit(self._deliver, *request)
        answer = self._deliver(*request)
        if fault != DROPPED:
            _send(handler, *answer, torn=fault == TORN)
        self._next.set()

    def _deliver_late(self, request: Any) -> None:
        assert self._next.wait(PATIENCE)
        self._deliver(*request)

    def _deliver(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Any:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            self.delivered += 1
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()


def _send(handler: BaseHTTPRequestHandler, status: int, headers: Any, body: bytes, *, torn: bool) -> None:
    handler.send_response_only(status)
    for name, value in headers:
        if name.lower() not in ("connection", "transfer-encoding"):
            handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2] if torn else body)


@contextmanager
def faulty(port: int) -> Iterator[tuple[str, Faulty]]:
    """Stand before ``port``; give the address and the relay."""
    relay = Faulty(port)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            try:
                relay.relay(self)
            except (OSError, HTTPException):
                self.close_connection = True

        do_GET = do_POST = answer  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", relay
        finally:
            relay.settle()
            server.shutdown()
            thread.join(PATIENCE)
