"""The engines and their floors, as calls that return the seconds they took."""

import asyncio
import json
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any

from django.contrib.sessions.backends import cache, cached_db
from django.contrib.sessions.middleware import SessionMiddleware as DjangosMiddleware
from django.core.cache import caches
from django.db import connection
from django.http import HttpResponse
from django.test import AsyncRequestFactory, RequestFactory
from django_redis import get_redis_connection

from django_dist.sessions import SessionMiddleware

Call = Callable[[], float]
#: 330 bytes as JSON, as a login and a small basket take.
DATA = {
    "_auth_user_id": "4711",
    "_auth_user_hash": "h" * 64,
    "basket": [[n, "item"] for n in range(15)],
    "note": "n" * 33,
}


class OnDjangos(cache.SessionStore):
    """Django's cache engine on Django's own client of Redis."""

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self._cache = caches["django"]


class CachedOnDjangoRedis(cached_db.SessionStore):
    """Django's cached_db engine in front of the same database."""


def engines() -> dict[str, tuple[Any, Any]]:
    """Return by name the store of each engine that is here, and its middleware."""
    found: dict[str, tuple[Any, Any]] = {
        name: (import_module(name).SessionStore, SessionMiddleware)
        for name in ("django_dist.sessions.database", "django_dist.sessions.redis")
    }
    found["django db"] = import_module("django.contrib.sessions.backends.db").SessionStore, DjangosMiddleware
    found["django cache, django's redis"] = OnDjangos, DjangosMiddleware
    found["django cache, django-redis"] = cache.SessionStore, DjangosMiddleware
    found["django cached_db"] = CachedOnDjangoRedis, DjangosMiddleware
    with suppress(ImportError):
        found["qsessions db"] = (
            import_module("qsessions.backends.db").SessionStore,
            import_module("qsessions.middleware").SessionMiddleware,
        )
    return found


def timed(call: Callable[[], Any]) -> float:
    """Return the seconds that ``call`` takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def stored(engine: Any) -> str:
    """Store a session, and return its key."""
    session = engine()
    session.update(DATA)
    session.save()
    return str(session.session_key)


# -- through the middleware --


def untouched(request: Any) -> HttpResponse:
    """Answer without a look at the session."""
    return HttpResponse()


def read(request: Any) -> HttpResponse:
    """Look into the session."""
    request.session.get("note")
    return HttpResponse()


def modify(request: Any) -> HttpResponse:
    """Change what was read."""
    request.session["count"] = request.session.get("count", 0) + 1
    return HttpResponse()


def create(request: Any) -> HttpResponse:
    """Begin a session."""
    request.session.update(DATA)
    return HttpResponse()


def requests() -> Iterator[dict[str, Call]]:
    """Yield the calls of each engine: a whole request through its middleware."""
    factory = RequestFactory()
    for name, (engine, middleware) in engines().items():
        calls = {}
        for view in (untouched, read, modify, create):
            handler = middleware(view)
            handler.store = handler.SessionStore = engine
            key = None if view is create else stored(engine)

            def call(handler: Any = handler, key: str | None = key) -> float:
                request = factory.get("/")
                if key:
                    request.COOKIES["sessionid"] = key
                return timed(lambda: handler(request))

            calls[f"{name}: {view.__name__}"] = call
        yield calls


def engine_alone(name: str) -> dict[str, Call]:
    """Return the calls of an engine without a request around it."""
    engine = engines()[name][0]
    key = stored(engine)

    def look() -> None:
        engine(key).get("note")

    def change() -> None:
        session = engine(key)
        session["count"] = session.get("count", 0) + 1
        session.save()

    def begin() -> None:
        stored(engine)

    return {
        f"{name}, alone: {what}": (lambda call=call: timed(call))
        for what, call in (("read", look), ("modify", change), ("create", begin))
    }


# -- floors --


def floors() -> dict[str, Call]:
    """Return raw round trips: Django's cursor on rows of the same size, and the client of django-redis."""
    text = json.dumps(DATA)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS raw_session (LIKE django_dist_session INCLUDING ALL)")
        cursor.execute("TRUNCATE raw_session")
    insert = (
        "INSERT INTO raw_session (digest, version, data, user_id, created_at, seen_at, expires_at) "
        "VALUES (%s, 1, %s, '4711', now(), now(), now() + interval '14 days')"
    )
    known = uuid.uuid4()
    client = get_redis_connection("default")
    client.set("floor", text)
    with connection.cursor() as cursor:
        cursor.execute(insert, [known, text.encode()])

    def execute(sql: str, *values: Any) -> Any:
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            return cursor.fetchone() if sql.startswith("SELECT") else None

    def select() -> None:
        execute("SELECT version, data FROM raw_session WHERE digest = %s", known)

    def select_update() -> None:
        select()
        execute("UPDATE raw_session SET data = %s, version = version + 1 WHERE digest = %s", text.encode(), known)

    return {
        "floor: SELECT": lambda: timed(select),
        "floor: SELECT, UPDATE": lambda: timed(select_update),
        "floor: INSERT": lambda: timed(lambda: execute(insert, uuid.uuid4(), text.encode())),
        "floor: GET": lambda: timed(lambda: client.get("floor")),
    }


# -- many at once --


async def aread(request: Any) -> HttpResponse:
    """Look into the session, as an async view does."""
    await request.session.aget("note")
    return HttpResponse()


async def reads_at_once(ours: bool, number: int) -> float:
    """Return the seconds that ``number`` reads take, all begun at once on this loop."""
    name = "django_dist.sessions.redis" if ours else "django cache, django-redis"
    engine, middleware = engines()[name]
    handler = middleware(aread)
    handler.store = handler.SessionStore = engine
    session = engine()
    session.update(DATA)
    await session.asave()
    factory = AsyncRequestFactory()

    async def one() -> None:
        request = factory.get("/")
        request.COOKIES["sessionid"] = session.session_key
        await handler(request)

    await asyncio.gather(*(one() for _ in range(50)))
    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(number)))
    return time.perf_counter() - began


# -- sizes --


def stored_sizes() -> dict[str, int]:
    """Return the bytes that one session takes on each store."""
    client = get_redis_connection("default")
    found = {}
    for name in ("django_dist.sessions.redis", "django cache, django's redis", "django cache, django-redis"):
        client.flushdb()
        stored(engines()[name][0])
        found[name] = sum(client.memory_usage(key) for key in client.scan_iter())
    tables = {"django_dist.sessions.database": "django_dist_session", "django db": "django_session"}
    for name, table in tables.items():
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {table}")
            stored(engines()[name][0])
            cursor.execute(f"SELECT pg_column_size(one.*) FROM {table} AS one")
            found[name] = cursor.fetchone()[0]
    return found
