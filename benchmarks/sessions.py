"""What a session costs: ratios to one raw round trip, through the middleware, beside Django's engines and a peer.

All subjects are called in turn, in a new random order each round; figures are medians. No time is asserted: bars are
ratios, printed with PASS or FAIL.
"""

import argparse
import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent.parent))  # the package as it lies here, if none is installed

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from harness import Bar, Series, rounds, tell
from idempotency_redis_settings import missing_redis
from stores import described, settle, store

POSTGRESQL = os.environ.get("DIST_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432")
REDIS = os.environ.get("DIST_BENCH_REDIS", "redis://127.0.0.1:6379/13")
WARM_UP, CROWD, CROWDS = 30, 1000, 5
DATABASE, REDIS_ENGINE = "django_dist.sessions.database", "django_dist.sessions.redis"
#: What is measured beside ours, by the store that it is on.
RIVALS = {
    DATABASE: ("django db", "qsessions db"),
    REDIS_ENGINE: ("django cache, django's redis", "django cache, django-redis", "django cached_db"),
}


def main() -> int:
    """Measure; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    option = parser.add_argument
    option("--database-url", default=POSTGRESQL, help="postgresql://... (default: %(default)s)")
    option("--redis-url", default=REDIS, help="a database that may be emptied (default: %(default)s)")
    option("--samples", type=int, default=400, help="rounds; each calls every subject (default: %(default)s)")
    option("--strict", action="store_true", help="exit 1 unless every bar passes")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leave by the front, so that the databases are dropped
    if why := missing_redis(options.redis_url):
        raise SystemExit(f"not run: {why}")
    with store(options.database_url) as database:
        if database.vendor != "postgresql":
            raise SystemExit("--database-url: the floor is PostgreSQL's")
        set_up(database.settings, options.redis_url)
        print(f"\n# {described(connection)}; Django {django.__version__}, Python {sys.version.split()[0]}")
        bars = measure(options.samples)
        print("\nbars: ratio of medians [90% of bootstrap samples]")
        print("\n".join(str(bar) for bar in bars), flush=True)
    return int(options.strict and any(bar.verdict != "PASS" for bar in bars))


def set_up(database: dict[str, Any], redis_url: str) -> None:
    """Start Django on ``database`` and the Redis at ``redis_url``, with every engine installed that is there."""
    from importlib.util import find_spec

    apps = ["qsessions"] if find_spec("qsessions") else []
    settings.configure(
        SECRET_KEY="benchmark" * 6,
        DATABASES={"default": database},
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "django.contrib.sessions",
            *apps,
            "django_dist",
        ],
        CACHES={
            "default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": redis_url},
            "django": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": redis_url},
        },
        USE_TZ=True,
    )
    django.setup()
    call_command("migrate", verbosity=0, skip_checks=True)
    from django.contrib.auth.models import User
    from django_redis import get_redis_connection

    User.objects.create(pk=4711, username="alice")  # without her qsessions would never come to an end
    get_redis_connection("default").flushdb()
    settle(connection)


def measure(samples: int) -> list[Bar]:
    """Measure with and without a wait for the disk, then a crowd, then sizes."""
    found = []
    for commit in ("on", "off"):
        with connection.cursor() as cursor:
            cursor.execute(f"SET synchronous_commit = {commit}")
        series = round_trips(samples, f"synchronous_commit {commit}")
        show(series, commit)
        found += bars(series, commit)
    found.append(crowd())
    sizes()
    return found


def round_trips(samples: int, title: str) -> Series:
    """Call everything once a round."""
    from sessions_subjects import engine_alone, floors, requests

    calls = {**floors(), **engine_alone(REDIS_ENGINE)}
    for each in requests():
        calls |= each
    for call in calls.values():
        for _ in range(WARM_UP):
            call()
    return rounds(calls, samples, title)


def show(series: Series, commit: str) -> None:
    """Print the table of one run."""
    sql, redis = series.median("floor: SELECT"), series.median("floor: GET")
    print(f"\nsynchronous_commit {commit:27}      us  of SELECT  of GET")
    for name in series.seconds:
        seconds = series.median(name)
        print(f"{name:48} {seconds * 1e6:7.0f} {seconds / sql:9.2f}x {seconds / redis:6.2f}x")


def bars(series: Series, commit: str) -> list[Bar]:
    """Return the bars that this run can tell."""

    def bar(engine: str, what: str, most: float, floor: str) -> Bar:
        name = f"{engine}: {what}"
        return Bar(f"{name} (commit {commit}), to {floor.removeprefix('floor: ')}", most, series.ratio(name, floor))

    found = []
    if commit == "on":
        found += [bar(DATABASE, "read", 1.8, "floor: SELECT")]
        found += [bar(DATABASE, "modify", 1.35, "floor: SELECT, UPDATE"), bar(DATABASE, "create", 1.5, "floor: INSERT")]
        for what, through, alone in (("read", 1.8, 1.25), ("modify", 3.1, 2.5), ("create", 2.15, 1.4)):
            found.append(bar(REDIS_ENGINE, what, through, "floor: GET"))
            found.append(bar(f"{REDIS_ENGINE}, alone", what, alone, "floor: GET"))
    else:
        found += [bar(DATABASE, "modify", 3.0, "floor: SELECT"), bar(DATABASE, "create", 2.0, "floor: SELECT")]
    for ours, rivals in RIVALS.items():
        for rival in rivals:
            for what in ("read", "modify", "create"):
                if f"{rival}: {what}" in series:
                    ratio = series.ratio(f"{ours}: {what}", f"{rival}: {what}")
                    found.append(Bar(f"{ours}: {what} (commit {commit}), to {rival}", 1.0, ratio))
    return found


def crowd() -> Bar:
    """Send a thousand reads at once on one event loop, through ours on Redis and through Django's on its cache."""
    from sessions_subjects import reads_at_once

    series = Series({"ours": [], "django": []})
    for _ in range(CROWDS):
        for name in series.seconds:
            series.seconds[name].append(asyncio.run(reads_at_once(name == "ours", CROWD)))
            time.sleep(0.1)
    print(
        f"\n{CROWD} reads at once: "
        + ", ".join(f"{name} {CROWD / series.median(name):.0f} /s" for name in series.seconds)
    )
    return Bar("1000 reads at once on Redis, to Django's middleware and cache", 1 / 1.5, series.ratio("ours", "django"))


def sizes() -> None:
    """Print what a stored session of 330 bytes takes."""
    from sessions_subjects import stored_sizes

    print("\nbytes of a stored session of 330 bytes")
    for name, taken in stored_sizes().items():
        print(f"{name:48} {taken:7}")


if __name__ == "__main__":
    tell("about three minutes")
    sys.exit(main())
