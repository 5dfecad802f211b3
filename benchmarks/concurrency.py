"""What a guarded take, a versioned save and an order of several rows cost, beside raw psycopg and the peers.

Sixteen threads change one row, or a thousand, for a slice of a second each subject, in turn and in a new random order
each round. No time is asserted: bars are ratios, printed with PASS or FAIL.
"""

import argparse
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

sys.path.append(sys.path.pop(0))  # this folder comes last: a peer's package has the name of this file
sys.path.append(str(Path(__file__).resolve().parent.parent))  # the package as it lies here, if none is installed

import django
import psycopg
from django.conf import settings
from django.db import connection, connections, transaction
from django.db.models import F

from harness import Bar, Series, progress, rounds, tell
from stores import described, settle, store

POSTGRESQL = os.environ.get("DIST_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432")
THREADS, ROWS, STOCK, SLICE_S = 16, 1000, 10**12, 0.5
ORDERED, SHELF = 5, 20
RAW = "UPDATE benchmarks_plain SET stock = stock - %s WHERE id = %s AND stock >= %s RETURNING stock"
Act = Callable[[int], Any]  # changes the row of that primary key


def main() -> int:
    """Measure; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    option = parser.add_argument
    option("--database-url", default=POSTGRESQL, help="postgresql://... (default: %(default)s)")
    option("--rounds", type=int, default=9, help="slices of each subject (default: %(default)s)")
    option("--saves", type=int, default=1500, help="saves of each model (default: %(default)s)")
    option("--strict", action="store_true", help="exit 1 unless every bar passes")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leave by the front, so that the databases are dropped
    with store(options.database_url) as database:
        if database.vendor != "postgresql":
            raise SystemExit("--database-url: the floor is psycopg's, so PostgreSQL is needed")
        set_up(database.settings)
        print(f"\n# {described(connection)}; Django {django.__version__}, Python {sys.version.split()[0]}")
        found = changes(database.url, options.rounds) + orders(options.rounds) + saves(options.saves)
        print("\nbars: ratio of medians of seconds a change [90% of bootstrap samples]")
        print("\n".join(str(bar) for bar in found), flush=True)
    return int(options.strict and any(bar.verdict != "PASS" for bar in found))


def set_up(database: dict[str, Any]) -> None:
    """Start Django on ``database`` with the rows there."""
    peers = ["concurrency"] if _is_there("concurrency") else []
    settings.configure(
        DATABASES={"default": database},
        INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", *peers, "django_dist"],
        USE_TZ=True,
    )
    django.setup()
    from concurrency_models import MODELS

    with connection.schema_editor() as editor:
        for model in MODELS:
            editor.create_model(model)
    for model in MODELS:
        model._default_manager.bulk_create(model(name="lamp", stock=STOCK) for _ in range(ROWS))
    settle(connection)


def _is_there(name: str) -> bool:
    from importlib.util import find_spec

    return find_spec(name) is not None


# -- one statement a change, by many threads --


def changes(url: str, number: int) -> list[Bar]:
    """Take one from one row, and from any of a thousand, by sixteen threads."""
    found = []
    for place, keys, most in (("hot", [1], 1 / 0.80), ("spread", range(1, ROWS + 1), 1 / 0.75)):
        acts = subjects(url)
        series = rounds({name: partial(_slice, make, keys) for name, make in acts.items()}, number, place)
        print(f"\n{place}: {THREADS} threads, {len(keys)} rows" + "".join(_rates(series, "raw psycopg")))
        found.append(Bar(f"take, {place}, to raw psycopg", most, series.ratio("take", "raw psycopg")))
        found += [
            Bar(f"take, {place}, to {name}", 1.0, series.ratio("take", name))
            for name in series.seconds
            if name not in ("take", "raw psycopg", "Django's cursor")
        ]
    return found


def _rates(series: Series, base: str) -> list[str]:
    return [
        f"\n  {name:28} {1 / series.median(name):8.0f} /s   {series.median(base) / series.median(name):5.2f} of {base}"
        for name in series.seconds
    ]


def subjects(url: str) -> dict[str, Callable[[], Act]]:
    """Return what makes, in each thread, the change of one row."""
    from concurrency_models import PEERS, Guarded, Plain, Versioned
    from django_dist.concurrency import retry_on_conflict

    def raw() -> Act:
        session = psycopg.connect(url, autocommit=True)
        return lambda pk: session.execute(RAW, [1, pk, 1]).fetchone()

    def cursor() -> Act:
        def act(pk: int) -> Any:
            with connection.cursor() as found:
                found.execute(RAW, [1, pk, 1])
                return found.fetchone()

        return act

    def take() -> Act:
        known = [Guarded(pk=pk, name="lamp", stock=STOCK) for pk in range(ROWS + 1)]
        return lambda pk: known[pk].take("stock", 1)

    def orm() -> Act:
        return lambda pk: Plain.objects.filter(pk=pk, stock__gte=1).update(stock=F("stock") - 1)

    def locked() -> Act:
        def act(pk: int) -> None:
            with transaction.atomic():
                row = Plain.objects.select_for_update().get(pk=pk)
                row.stock -= 1
                row.save(update_fields=["stock"])

        return act

    def optimistic() -> Act:
        @retry_on_conflict(attempts=1000, backoff=0.001)
        def act(pk: int) -> None:
            row = Versioned.objects.get(pk=pk)
            row.stock -= 1
            row.save()

        return act

    def peer(model: Any) -> Callable[[], Act]:
        def make() -> Act:
            def act(pk: int) -> None:
                while True:
                    row = model.objects.get(pk=pk)
                    row.stock -= 1
                    try:
                        row.save()
                    except Exception as error:
                        if "Concurrent" not in type(error).__name__ and "Modified" not in type(error).__name__:
                            raise
                        time.sleep(random.uniform(0, 0.001))
                    else:
                        return

            return act

        return make

    return {
        "raw psycopg": raw,
        "Django's cursor": cursor,
        "take": take,
        "filter().update(F())": orm,
        "select_for_update, save": locked,
        "versions, retried": optimistic,
        **{f"{name}, retried": peer(model) for name, model in PEERS.items()},
    }


def _slice(make: Callable[[], Act], keys: Sequence[int]) -> float:
    """Return the seconds a change, of all threads together."""
    counts, start, over = [0] * THREADS, threading.Barrier(THREADS + 1), threading.Event()
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            act, source = make(), random.Random(number)
            act(keys[0])  # connected, and warm
            start.wait()
            while not over.is_set():
                act(source.choice(keys))
                counts[number] += 1
        except BaseException as error:  # noqa: BLE001  (raised below)
            failed.append(error)
            start.abort()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=[number]) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        start.wait()
    except threading.BrokenBarrierError:
        raise failed[0] from None
    began = time.perf_counter()
    time.sleep(SLICE_S)
    over.set()
    spent = time.perf_counter() - began
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return spent / max(1, sum(counts))


# -- several rows --


def orders(number: int) -> list[Bar]:
    """Order five of twenty products, all or none, by sixteen threads."""
    from concurrency_models import Guarded, Plain
    from django_dist.concurrency import take_many

    def many() -> Act:
        source = random.Random()
        return lambda _: take_many(Guarded, "stock", dict.fromkeys(source.sample(range(1, SHELF + 1), ORDERED), 1))

    def one_by_one() -> Act:
        source = random.Random()

        def act(_: int) -> None:
            with transaction.atomic():
                for pk in sorted(source.sample(range(1, SHELF + 1), ORDERED)):
                    if not Plain.objects.filter(pk=pk, stock__gte=1).update(stock=F("stock") - 1):
                        raise LookupError(pk)

        return act

    makers = {"take_many": many, "sorted single updates": one_by_one}
    series = rounds({name: partial(_slice, make, [1]) for name, make in makers.items()}, number, "orders")
    base = "sorted single updates"
    print(f"\norders of {ORDERED} of {SHELF} rows, {THREADS} threads" + "".join(_rates(series, base)))
    return [Bar("take_many, to sorted single updates", 1 / 2, series.ratio("take_many", base))]


# -- saves --


def saves(number: int) -> list[Bar]:
    """Save a row that was read, by one thread, with no wait for the disk: what the version costs."""
    from concurrency_models import PEERS, Plain, Versioned

    def saving(model: Any) -> Callable[[], float]:
        row = model.objects.get(pk=1)

        def call() -> float:
            row.stock -= 1
            began = time.perf_counter()
            row.save()
            return time.perf_counter() - began

        return call

    with connection.cursor() as cursor:
        cursor.execute("SET synchronous_commit = off")
    subjects = {"plain": Plain, "versioned": Versioned, **PEERS}
    calls = {name: saving(model) for name, model in subjects.items()}
    for call in calls.values():
        for _ in progress(30, "warming up"):
            call()
    series = rounds(calls, number, "saves")
    print("\nsave(), synchronous_commit off")
    print("\n".join(f"  {name:28} {series.median(name) * 1e6:6.0f} us" for name in calls))
    found = [Bar("versioned save(), to one without a version", 1.10, series.ratio("versioned", "plain"))]
    return found + [Bar(f"versioned save(), to {name}", 1.0, series.ratio("versioned", name)) for name in PEERS]


if __name__ == "__main__":
    tell("about two minutes")
    sys.exit(main())
