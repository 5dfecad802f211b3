"""A subject is one way to serve one view: a WSGI application, called in this process as a server would call it."""

import sys
import time
import types
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from itertools import cycle
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import HttpResponse
from django.test import override_settings
from django.urls import path

from idempotency_views import BODY, Order

PATH = "orders"
CREATED = 201
REPLAYED = 64  # keys that replays take turns with
Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
Reply = tuple[float, int, dict[str, str], bytes]  # seconds, status, headers, body


class NotRun(Exception):
    """A subject cannot be measured here; the message says why."""


@dataclass
class Subject:
    """One stack. ``base`` is the unguarded subject that its ratios are taken to."""

    name: str
    application: Application
    urls: str
    base: str = "bare"
    store: str = "database"
    atomic_requests: bool = False
    guarded: bool = True
    rival: bool = False  # a peer that a bar compares us with
    connection: BaseDatabaseWrapper | None = None  # instead of the default one
    prepare: Callable[[], None] | None = None  # runs before each call, untimed
    keys: list[str] = field(default_factory=list)

    def ask(self, key: str) -> Reply:
        """Post the order under ``key``, untimed around, timed from the environ to the closed response."""
        settings.ROOT_URLCONF = self.urls
        connections.settings["default"]["ATOMIC_REQUESTS"] = self.atomic_requests
        usual = connections["default"]
        if self.connection is not None:
            connections["default"] = self.connection
        if self.prepare is not None:
            self.prepare()
        try:
            return _timed(self.application, key)
        finally:
            connections["default"] = usual

    def first(self) -> float:
        """Return the seconds of a request under a key never seen."""
        seconds, status, _, body = self.ask(str(uuid.uuid4()))
        if status != CREATED:
            raise NotRun(f"{self.name}: {status} for a first request: {body[:200]!r}")
        return seconds

    def replays(self) -> Callable[[], float]:
        """Return a call that repeats one of some finished requests and returns its seconds."""
        if not self.keys:
            self.keys = [str(uuid.uuid4()) for _ in range(REPLAYED)]
            for key in self.keys:
                self.ask(key)
        turn = cycle(self.keys)

        def replay() -> float:
            seconds, status, _, body = self.ask(next(turn))
            if status != CREATED:
                raise NotRun(f"{self.name}: {status} for a repeat: {body[:200]!r}")
            return seconds

        return replay

    def verify(self) -> None:
        """Raise NotRun unless a first request has one effect, and a repeat the same answer and none."""
        key = str(uuid.uuid4())
        before = Order.objects.count()
        _, status, _, body = self.ask(key)
        if status != CREATED or Order.objects.count() != before + 1:
            raise NotRun(f"first request: {status}, {Order.objects.count() - before} effects, {body[:300]!r}")
        if self.guarded:
            _, again, headers, repeated = self.ask(key)
            effects = Order.objects.count() - before
            if again != CREATED or repeated != body or effects != 1:
                raise NotRun(f"repeat: {again}, {effects} effects, {repeated[:300]!r} after {body[:100]!r}, {headers}")


def _timed(application: Application, key: str) -> Reply:
    told: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        told[:] = [status, headers]

    environ = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": f"/{PATH}",
        "QUERY_STRING": "",
        "SERVER_NAME": "testserver",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(BODY)),
        "HTTP_HOST": "testserver",
        "HTTP_ACCEPT": "application/json",
        "HTTP_IDEMPOTENCY_KEY": key,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(BODY),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    started = time.perf_counter()
    chunks = application(environ, start_response)
    body = b"".join(chunks)
    if (close := getattr(chunks, "close", None)) is not None:
        close()
    seconds = time.perf_counter() - started
    return seconds, int(told[0].split()[0]), dict(told[1]), body


def served(name: str, view: Callable[..., HttpResponse], middleware: Sequence[str] = (), **options: Any) -> Subject:
    """Return the subject ``name``: Django's own handler, ``middleware`` and nothing else, one route."""
    urls = types.ModuleType(f"benchmark_urls_{len(sys.modules)}")
    urls.urlpatterns = [path(PATH, view)]  # type: ignore[attr-defined]
    sys.modules[urls.__name__] = urls
    settings.ROOT_URLCONF = urls.__name__
    with override_settings(MIDDLEWARE=list(middleware)):
        handler = WSGIHandler()
    return Subject(name, handler, urls.__name__, **options)
