"""What a claim costs: ratios to the raw INSERT through psycopg and to get_or_create, and bytes an entry at a million.

All subjects are called in turn, in a new random order each round; figures are medians. No time is asserted: bars are
ratios, printed with PASS or FAIL.
"""

import argparse
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parent.parent))  # the package as it lies here, if none is installed

import django
import django.utils.timezone
import psycopg
from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction

from harness import Bar, Series, progress, rounds, tell
from stores import described, settle, store

POSTGRESQL = os.environ.get("DIST_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432")
ROWS, BATCH, MANY, WARM_UP = 1_000_000, 10_000, 1000, 30
#: The row that a claim for a day writes: one without an end would be spared an entry in the index on its end.
INSERT = """INSERT INTO raw_dedupe (digest, claimed_at, expires_at, repeated, scope)
VALUES (%s, now(), now() + interval '1 day', false, %s) ON CONFLICT DO NOTHING"""


def main() -> int:
    """Measure; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    option = parser.add_argument
    option("--database-url", default=POSTGRESQL, help="postgresql://... (default: %(default)s)")
    option("--samples", type=int, default=1000, help="rounds; each calls every subject (default: %(default)s)")
    option("--skip-million", action="store_true", help="leave out the million entries")
    option("--strict", action="store_true", help="exit 1 unless every bar passes")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leave by the front, so that the databases are dropped
    with store(options.database_url) as database:
        if database.vendor != "postgresql":
            raise SystemExit("--database-url: the floor is psycopg's, so PostgreSQL is needed")
        set_up(database.settings)
        print(f"\n# {described(connection)}; Django {django.__version__}, Python {sys.version.split()[0]}")
        if not options.skip_million:
            fill()
        series = measure(database.url, options.samples)
        found = bars(series)
        print("\n".join(f"{name:44} {series.median(name) * 1e6:8.0f} us" for name in series.seconds))
        print("\nbars: ratio of medians [90% of bootstrap samples]")
        print("\n".join(str(bar) for bar in found), flush=True)
    return int(options.strict and any(bar.verdict != "PASS" for bar in found))


def set_up(database: dict[str, Any]) -> None:
    """Start Django on ``database`` with the tables made, and one for the raw INSERT that is the same."""
    settings.configure(
        DATABASES={"default": database}, INSTALLED_APPS=["django.contrib.contenttypes", "django_dist"], USE_TZ=True
    )
    django.setup()
    call_command("migrate", verbosity=0, skip_checks=True)
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE raw_dedupe (LIKE django_dist_dedupe INCLUDING ALL)")


def fill() -> None:
    """Claim a million keys, half of them for a day and half for ever, and print what they take; fill the raw table."""
    from django_dist.dedupe import claim_many

    with connection.cursor() as cursor:
        for batch in progress(ROWS // BATCH, "a million claims"):
            with transaction.atomic():
                claim_many("payments", new_keys(BATCH), ttl=86_400 if batch % 2 else None)
        cursor.execute("SELECT pg_total_relation_size('django_dist_dedupe'), pg_indexes_size('django_dist_dedupe')")
        total, indexes = cursor.fetchone()
        cursor.execute("INSERT INTO raw_dedupe SELECT * FROM django_dist_dedupe")
    settle(connection)
    print(f"{ROWS} entries: {total / ROWS:.0f} bytes an entry, of these {indexes / ROWS:.0f} in indexes")


def new_keys(number: int) -> list[str]:
    """Return keys that nobody has claimed."""
    return [str(uuid.uuid4()) for _ in range(number)]


def timed(call: Callable[[], Any]) -> float:
    """Return the seconds that ``call`` takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def measure(url: str, samples: int) -> Series:
    """Call every subject in turn, each in a transaction of its own, and the statements alone in an open one."""
    with psycopg.connect(url, autocommit=True) as raw:
        calls = {**subjects(raw), **statements(raw)}
        settle(connection)
        for call in calls.values():
            for _ in range(WARM_UP):
                call()
        return rounds(calls, samples, "dedupe")


def subjects(raw: "psycopg.Connection[Any]") -> dict[str, Callable[[], float]]:
    """Return what claims in a transaction of its own, BEGIN and COMMIT included."""
    from django_dist.dedupe import claim, claim_many
    from django_dist.models import DedupeEntry

    def insert() -> float:
        key = uuid.uuid4()

        def call() -> None:
            with raw.transaction():
                raw.execute(INSERT, [key, "payments"])

        return timed(call)

    def ours(keys: list[str], claimed: Callable[..., Any]) -> float:
        def call() -> None:
            with transaction.atomic():
                claimed("payments", keys if len(keys) > 1 else keys[0], ttl=86_400)

        return timed(call)

    def get_or_create() -> float:
        digest, now = uuid.uuid4(), django.utils.timezone.now()

        def call() -> None:
            with transaction.atomic():
                DedupeEntry.objects.get_or_create(pk=digest, defaults={"claimed_at": now, "scope": "payments"})

        return timed(call)

    def insert_by_django() -> float:
        key = uuid.uuid4()

        def call() -> None:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(INSERT, [key, "payments"])

        return timed(call)

    known = new_keys(1)
    return {
        "raw INSERT ON CONFLICT, psycopg": insert,
        "the same by Django's atomic() and cursor": insert_by_django,
        "claim": lambda: ours(new_keys(1), claim),
        "claim, a repeat": lambda: ours(known, claim),
        f"claim_many({MANY})": lambda: ours(new_keys(MANY), claim_many),
        "get_or_create": get_or_create,
    }


def statements(raw: "psycopg.Connection[Any]") -> dict[str, Callable[[], float]]:
    """Return the same without BEGIN and COMMIT: what the statement costs in a transaction that is open."""
    from django_dist.dedupe import claim

    def insert() -> float:
        key = uuid.uuid4()
        with raw.transaction():
            raw.execute("SELECT 1")
            return timed(lambda: raw.execute(INSERT, [key, "payments"]))

    def ours() -> float:
        key = str(uuid.uuid4())
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            return timed(lambda: claim("payments", key, ttl=86_400))

    return {"raw INSERT, the statement alone": insert, "claim, the statement alone": ours}


def bars(series: Series) -> list[Bar]:
    """Return the bars, as times: 1 / 0.7 of the raw INSERT, and a thousand claims at thirty times the rate of one."""
    single, many = "claim", f"claim_many({MANY})"
    floor = "raw INSERT ON CONFLICT, psycopg"
    return [
        Bar("claim, to the raw INSERT", 1 / 0.7, series.ratio(single, floor)),
        Bar(
            "claim, to the raw INSERT by Django",
            1 / 0.7,
            series.ratio(single, "the same by Django's atomic() and cursor"),
        ),
        Bar(f"{many}, to one claim", MANY / 30, series.ratio(many, single)),
        Bar("claim, to get_or_create", 1.0, series.ratio(single, "get_or_create")),
    ]


if __name__ == "__main__":
    tell("about two minutes")
    sys.exit(main())
