"""Browsers of the ledger's sessions, and databases whose ledger keeps some."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar
from urllib.parse import urlencode
from uuid import uuid4

import pytest

import services

from .clients import Reply
from .databases import Database
from .redises import PATIENT_S
from .servers import Server

Result = TypeVar("Result")


@dataclass
class Browser:
    """Keeps one cookie, as it is told."""

    server: Server
    view: str = "visit"
    key: str | None = None

    def visit(self, what: str, **query: Any) -> Reply:
        """Do ``what``, and keep the cookie that comes."""
        headers = {"Connection": "close", **({} if self.key is None else {"Cookie": f"sessionid={self.key}"})}
        reply = self.server._send("GET", f"{self.view}/{what}?{urlencode(query)}", headers)
        if (cookie := reply.headers.get("set-cookie")) is not None:
            self.key = cookie.split(";")[0].partition("=")[2].strip('"') or None
        return reply

    def found(self, **query: Any) -> Any:
        """Return what the session holds."""
        reply = self.visit("read", **query)
        assert reply.status == 200, reply
        return json.loads(reply.body)

    def twin(self) -> "Browser":
        """Return another tab."""
        return replace(self)


def together(*calls: Callable[[], Result]) -> list[Result]:
    """Return what calls gave that ran at once."""
    with ThreadPoolExecutor(len(calls)) as pool:
        return [each.result() for each in [pool.submit(call) for call in calls]]


def with_sessions(database: Database, **options: Any) -> Database:
    """Let the ledger keep sessions in ``database``."""
    return replace(database, sessions={"engine": "django_dist.sessions.database", "options": options})


def in_redis(database: Database, *urls: str, timeout: float = PATIENT_S, **options: Any) -> Database:
    """Let the ledger keep sessions in the Redis at ``urls``, of which the first is the primary."""
    timeouts = {"SOCKET_TIMEOUT": timeout, "SOCKET_CONNECT_TIMEOUT": timeout}
    cache = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": list(urls), "OPTIONS": timeouts}
    given = {"prefix": f"test:{uuid4()}:", **options}
    sessions = {"engine": "django_dist.sessions.redis", "options": given}
    return replace(database, caches={"default": cache}, sessions=sessions)


def keeping(store: str, databases: Callable[[str], Database]) -> Database:
    """Return the ledger that keeps sessions in ``store``, as services.py names it."""
    if store not in ("redis", "valkey"):
        return with_sessions(databases(store))
    if why := services.missing(store):
        pytest.skip(why)
    return in_redis(databases("sqlite"), services.url(store) or "")
