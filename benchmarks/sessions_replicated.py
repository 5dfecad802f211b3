"""What copies of a session cost: a read beside the engine of one store, with both stores there and with Redis away.

Whole requests through the middleware, in turn and in a new random order each round; figures are medians. No time is
asserted: bars are ratios, printed with PASS or FAIL.
"""

import argparse
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent.parent))  # the package as it lies here, if none is installed

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import RequestFactory, override_settings

from harness import Bar, Series, rounds, tell
from idempotency_redis_settings import missing_redis
from stores import described, settle, store

POSTGRESQL = os.environ.get("DIST_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432")
REDIS = os.environ.get("DIST_BENCH_REDIS", "redis://127.0.0.1:6379/13")
COPIES, ONE, DATABASE = (f"django_dist.sessions.{name}" for name in ("replicated", "redis", "database"))
CACHED_DB = "django cached_db"
WARM_UP = 30


def main() -> int:
    """Measure; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    option = parser.add_argument
    option("--database-url", default=POSTGRESQL, help="postgresql://... (default: %(default)s)")
    option("--redis-url", default=REDIS, help="a database that may be emptied (default: %(default)s)")
    option("--samples", type=int, default=1000, help="rounds; each calls every subject (default: %(default)s)")
    option("--strict", action="store_true", help="exit 1 unless every bar passes")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leave by the front, so that the databases are dropped
    if why := missing_redis(options.redis_url):
        raise SystemExit(f"not run: {why}")
    with store(options.database_url) as database:
        set_up(database.settings, options.redis_url)
        print(f"\n# {described(connection)}; Django {django.__version__}, Python {sys.version.split()[0]}")
        both = measure("both are there", "default", [COPIES, ONE, DATABASE, CACHED_DB], options.samples)
        alone = measure("Redis is away", "away", [COPIES, DATABASE], options.samples)
    bars = [
        Bar("read, to the Redis engine", 1.15, both.ratio(f"{COPIES}: read", f"{ONE}: read")),
        Bar(
            "read while Redis is away, to the database engine",
            1.15,
            alone.ratio(f"{COPIES}: read", f"{DATABASE}: read"),
        ),
    ]
    print("\nbars: ratio of medians [90% of bootstrap samples]")
    print("\n".join(str(bar) for bar in bars), flush=True)
    return int(options.strict and any(bar.verdict != "PASS" for bar in bars))


def set_up(database: dict[str, Any], redis_url: str) -> None:
    """Start Django on ``database``, with a Redis that is there and one that is not."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    django_redis = {"BACKEND": "django_redis.cache.RedisCache"}
    settings.configure(
        SECRET_KEY="benchmark" * 6,
        DATABASES={"default": database},
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.sessions", "django_dist"],
        CACHES={
            "default": {**django_redis, "LOCATION": redis_url},
            "away": {**django_redis, "LOCATION": f"redis://127.0.0.1:{port}/0"},
        },
        USE_TZ=True,
    )
    django.setup()
    call_command("migrate", verbosity=0, skip_checks=True)
    from django_redis import get_redis_connection

    get_redis_connection("default").flushdb()
    settle(connection)


def measure(title: str, alias: str, names: list[str], samples: int) -> Series:
    """Print what a read and a change take on the engines of ``names``; return the series."""
    from django_dist.sessions import SessionMiddleware
    from django_dist.sessions.replicated import SessionStore
    from sessions_subjects import engines, modify, read, stored, timed

    known = {**engines(), COPIES: (SessionStore, SessionMiddleware)}
    with override_settings(DIST_SESSIONS={"default": {"OPTIONS": {"connection": alias}}}):
        calls, factory = {}, RequestFactory()
        for name in names:
            engine, middleware = known[name]
            for view in (read, modify):
                handler: Any = middleware(view)
                handler.store = handler.SessionStore = engine

                def call(handler: Any = handler, key: str = stored(engine)) -> float:
                    request = factory.get("/")
                    request.COOKIES["sessionid"] = key
                    return timed(lambda: handler(request))

                calls[f"{name}: {view.__name__}"] = call
        for call in calls.values():
            for _ in range(WARM_UP):
                call()
        series = rounds(calls, samples, title)
    print(f"\n{title}" + "".join(f"\n  {name:45} {series.median(name) * 1e6:6.0f} us" for name in calls))
    return series


if __name__ == "__main__":
    tell("about a minute")
    sys.exit(main())
