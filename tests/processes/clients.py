"""Clients of the ledger: one that may lose its answer, one that insists, and many at once."""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any, TypeVar
from uuid import uuid4

Result = TypeVar("Result")
PATIENCE = 20.0  # seconds until a test that waits in vain gives up


@dataclass(frozen=True)
class Reply:
    """What came back, and when; status 0 when the connection was lost."""

    status: int
    body: bytes
    headers: dict[str, str]
    at: float

    @property
    def replayed(self) -> bool:
        """Whether this is the first answer again."""
        return self.headers.get("idempotent-replayed") == "true"

    @property
    def problem(self) -> str:
        """The last part of the type of a refusal."""
        kind = self.headers.get("content-type", "")
        return str(json.loads(self.body)["type"]).rsplit(":", 1)[-1] if kind == "application/problem+json" else ""


def new_order() -> str:
    """Return the id of a new order; it is the key of its requests, too."""
    return uuid4().hex


@dataclass(frozen=True)
class Client:
    """Talks to the server at ``port``, each time over a new connection."""

    port: int

    def get(self, path: str) -> Any:
        """Return the JSON behind ``path``; raises OSError or HTTPException."""
        return json.loads(self._send("GET", path, {}).body)

    def post(self, path: str, order: str, **told: Any) -> Reply:
        """Send ``order`` once; ``told`` are the headers that say what is to go wrong."""
        try:
            return self._send("POST", path, _headers(order, told))
        except (OSError, HTTPException):
            return Reply(0, b"", {}, time.monotonic())

    def insist(self, path: str, order: str, **told: Any) -> Reply:
        """Send ``order`` until it is answered with 201."""
        deadline = time.monotonic() + PATIENCE
        while (reply := self.post(path, order, **told)).status != 201:
            if time.monotonic() > deadline:
                raise AssertionError(f"order {order} is still answered with {reply}")
            time.sleep(0.005)
        return reply

    def drop(self, path: str, order: str, after: float, **told: Any) -> None:
        """Send ``order`` and leave ``after`` seconds later, without a goodbye, whatever came until then."""
        self.leave(path, order, lambda: time.sleep(min(after, 0.1)), **told)

    def leave(self, path: str, order: str, when: Callable[[], object], **told: Any) -> None:
        """Send ``order`` and leave without a goodbye when ``when`` returns."""
        headers = "".join(f"{name}: {value}\r\n" for name, value in _headers(order, told).items())
        text = f"POST /{path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nContent-Length: 2\r\n{headers}\r\n{{}}"
        with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as connection:
            connection.sendall(text.encode())
            # Zero seconds to linger: the connection is reset.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            when()

    def _send(self, method: str, path: str, headers: dict[str, str]) -> Reply:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, "/" + path, body="{}" if method == "POST" else None, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, body, found, time.monotonic())
        finally:
            connection.close()


def _headers(order: str, told: dict[str, Any]) -> dict[str, str]:
    plain = {"Idempotency-Key": order, "Order": order, "Content-Type": "application/json", "Connection": "close"}
    return plain | {name.capitalize(): str(value) for name, value in told.items()}


def at_once(number: int, call: Callable[[], Result]) -> list[Result]:
    """Return what ``number`` calls gave that began together."""
    barrier = threading.Barrier(number)

    def one(_: int) -> Result:
        barrier.wait(PATIENCE)
        return call()

    with ThreadPoolExecutor(number) as pool:
        return list(pool.map(one, range(number)))


def comes(condition: Callable[[], Any], within: float = PATIENCE, every: float = 0.005) -> Any:
    """Return the first true value of ``condition``, asked each ``every`` seconds, or the last after ``within``."""
    deadline = time.monotonic() + within
    while not (value := condition()) and time.monotonic() < deadline:
        time.sleep(every)
    return value


def until(condition: Callable[[], Any], what: str, every: float = 0.005) -> Any:
    """Return the first true value of ``condition``; raise where none comes."""
    if not (value := comes(condition, every=every)):
        raise AssertionError(f"not within {PATIENCE} s: {what}")
    return value
