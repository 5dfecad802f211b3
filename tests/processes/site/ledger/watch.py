"""Watch statements and hashes: on which thread each ran, and where the process is to kill itself."""

import hashlib
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from django.db.backends.signals import connection_created
from django.http import HttpRequest

#: How many statements and hashes of django_dist's ran on the loop's thread, and how many elsewhere.
counts: Counter[str] = Counter()
#: What names the table of records, or a statement on it that a session has prepared.
OURS = ("django_dist_request", "EXECUTE django_dist_insert_")
loop_thread: list[int] = []


def die(request: HttpRequest | None, point: str) -> None:
    """Kill this process if ``request`` says that it is to die here."""
    if request is not None and request.headers.get("Die") == point:
        os.kill(os.getpid(), signal.SIGKILL)


def count(what: str) -> None:
    """Count ``what`` by the thread that does it."""
    where = "loop" if threading.get_ident() in loop_thread else "thread"
    counts[f"{what} on {where}"] += 1


class Watch:
    """An execute wrapper; it knows the request whose view has run on this connection."""

    def __init__(self) -> None:
        self.request: HttpRequest | None = None

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        """Run the statement; die before or after the one that records the answer."""
        count("sql")
        records = self.request is not None and any(part in sql for part in OURS)
        if records:
            die(self.request, "record")
        result = execute(sql, params, many, context)
        if records:
            die(self.request, "recorded")
        return result


def _attach(connection: Any, **_: Any) -> None:
    if not hasattr(connection, "ledger_watch"):
        connection.ledger_watch = Watch()
        connection.execute_wrappers.append(connection.ledger_watch)


def _watched(make: Callable[..., Any]) -> Callable[..., Any]:
    def sha256(*args: Any, **kwargs: Any) -> Any:
        if sys._getframe(1).f_globals["__name__"].startswith("django_dist"):
            count("hash")
        return make(*args, **kwargs)

    return sha256


connection_created.connect(_attach)
hashlib.sha256 = _watched(hashlib.sha256)  # type: ignore[assignment]
