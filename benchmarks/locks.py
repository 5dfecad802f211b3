"""What locks cost beside raw statements and the peers: a pair, hand-offs, how fair, and what follows a kill.

Pairs of acquire and release are called in turn, in a new random order each round. Hand-offs are counted with
processes that want one lock and hold it for 2 ms each time, a slice of seconds a subject, in rounds. No time is
asserted: bars are ratios, printed with PASS or FAIL.
"""

import argparse
import multiprocessing
import os
import resource
import signal
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

sys.path.append(str(Path(__file__).resolve().parent.parent))  # the package as it lies here, if none is installed

import django
from django.conf import settings
from django.core.management import call_command
from django.db import connection, connections

from harness import Bar, Series, Spread, progress, rounds, tell
from stores import described, settle, store

POSTGRESQL = os.environ.get("DIST_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432")
REDIS = os.environ.get("DIST_TEST_REDIS", "redis://127.0.0.1:6379/0")
HELD_S, LEASE_S, IDLE_S, IDLE = 0.002, 2.0, 5.0, 100
WARM_UP = 20
fork: Final = multiprocessing.get_context("fork")


def main() -> int:
    """Measure; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    option = parser.add_argument
    option("--database-url", default=POSTGRESQL, help="postgresql://... (default: %(default)s)")
    option("--redis-url", default=REDIS, help="redis://... (default: %(default)s)")
    option("--zookeeper", help="host:port,... of an ensemble; without it, none is measured")
    option("--samples", type=int, default=300, help="rounds of pairs (default: %(default)s)")
    option(
        "--block",
        type=int,
        default=10,
        help="pairs of a subject in a row; 1 has all caches cold (default: %(default)s)",
    )
    option("--contenders", type=int, default=16, help="processes that want one lock (default: %(default)s)")
    option("--seconds", type=float, default=3.0, help="a slice of contention (default: %(default)s)")
    option("--slices", type=int, default=3, help="slices a subject (default: %(default)s)")
    option("--strict", action="store_true", help="exit 1 unless every bar passes")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leave by the front, so that the databases are dropped
    with store(options.database_url) as database:
        if database.vendor != "postgresql":
            raise SystemExit("--database-url: PostgreSQL is needed")
        set_up(database.settings, options.redis_url, options.zookeeper)
        print(f"\n# {described(connection)}; Django {django.__version__}, Python {sys.version.split()[0]}")
        made = makers_of(database.url, options)
        # Those of tooz have threads that never rest; they live apart.
        lively = {name: make for name, make in made.items() if name.startswith("tooz")}
        quiet = {name: make for name, make in made.items() if name not in lively}
        series = pairs(quiet, options.samples, options.block)
        series.seconds.update(pairs(lively, options.samples, options.block).seconds)
        found = handoffs(made, options)
        print_handoffs(found)
        for name in [each for each in made if each.startswith("ours")]:
            print(f"{name:40} {takeover(made[name]) * 1e3:6.0f} ms after the kill of a holder with {LEASE_S:g} s left")
        for name in [each for each in made if each.startswith("ours: ") and "inside" not in each]:
            print(f"{name:40} {idle(made[name]):6.1%} of a processor for {IDLE} threads that wait")
        verdicts = bars(series, found)
        print("\nbars: ratios of medians [90% of bootstrap samples]")
        print("\n".join(map(str, verdicts)), flush=True)
    return int(options.strict and any(bar.verdict != "PASS" for bar in verdicts))


def set_up(database: dict[str, Any], redis_url: str, zookeeper: str | None) -> None:
    """Start Django on ``database``, with an alias of each engine."""
    locks: dict[str, Any] = {
        "default": {},
        "redis": {"BACKEND": "django_dist.locks.redis.RedisLocks", "OPTIONS": {"prefix": f"bench:{os.getpid()}:"}},
        "advisory": {"BACKEND": "django_dist.locks.postgres.AdvisoryLocks"},
    }
    if zookeeper:
        entry = {"BACKEND": "django_dist.locks.zookeeper.ZooKeeperLocks", "OPTIONS": {"hosts": zookeeper}}
        locks["zookeeper"] = entry
    settings.configure(
        DATABASES={"default": database},
        CACHES={"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": redis_url}},
        INSTALLED_APPS=["django.contrib.contenttypes", "django_dist"],
        DIST_LOCKS=locks,
        USE_TZ=True,
    )
    django.setup()
    call_command("migrate", verbosity=0, skip_checks=True)


def makers_of(url: str, options: argparse.Namespace) -> dict[str, Callable[[], Any]]:
    """Return what makes each subject; the locks of PostgreSQL's are made once, so that processes do not meet."""
    from locks_subjects import for_update, makers, raw_lease

    raw_lease(url)
    for_update(url)
    settle(connection)
    connections.close_all()
    return makers(url, options.redis_url, options.zookeeper)


def pairs(made: dict[str, Callable[[], Any]], samples: int, block: int) -> Series:
    """Time acquire and release where nobody else wants the lock, in a process of its own, ``block`` at a time."""
    ours, theirs = fork.Pipe(duplex=False)

    def work() -> None:
        calls = {name: timed(make(), block) for name, make in made.items()}
        for call in calls.values():
            for _ in range(WARM_UP):
                call()
        series = rounds(calls, samples, "pairs")
        theirs.send(series.seconds)

    process = fork.Process(target=work)
    process.start()
    theirs.close()
    series = Series(ours.recv())
    process.join()
    print("\n".join(f"{name:40} {series.median(name) * 1e6:8.0f} us a pair" for name in series.seconds))
    return series


def timed(hold: Callable[[], Any], block: int) -> Callable[[], float]:
    """Return a call that gives the seconds of a pair, the mean of ``block`` of them."""

    def call() -> float:
        began = time.perf_counter()
        for _ in range(block):
            with hold():
                pass
        return (time.perf_counter() - began) / block

    return call


def handoffs(made: dict[str, Callable[[], Any]], options: argparse.Namespace) -> dict[str, list[list[int]]]:
    """Return how often each contender had the lock, by subject and slice."""
    contended = {name: make for name, make in made.items() if not name.startswith(("raw Redis", "raw lease"))}
    found: dict[str, list[list[int]]] = {name: [] for name in contended}
    for _ in progress(options.slices, "slices of contention"):
        for name, make in contended.items():
            found[name].append(contention(make, options.contenders, options.seconds))
            tell(f"  {name}: {sum(found[name][-1]) / options.seconds:.0f} hand-offs/s")
    return found


def contention(make: Callable[[], Any], contenders: int, seconds: float) -> list[int]:
    """Return how often each of ``contenders`` processes had the lock in ``seconds``."""
    counts, ready, over = fork.Array("i", contenders), fork.Barrier(contenders + 1), fork.Event()

    def work(number: int) -> None:
        hold = make()
        with hold():
            pass
        ready.wait(60)
        while not over.is_set():
            with hold():
                time.sleep(HELD_S)
            if not over.is_set():
                counts[number] += 1

    processes = [fork.Process(target=work, args=[number], daemon=True) for number in range(contenders)]
    for process in processes:
        process.start()
    ready.wait(60)
    time.sleep(seconds)
    over.set()
    told = list(counts)
    for process in processes:
        process.join(10)
        process.kill()
    return told


def jain(counts: list[int]) -> float:
    """Return Jain's index of fairness: 1 where all had it as often."""
    return sum(counts) ** 2 / (len(counts) * sum(count**2 for count in counts)) if any(counts) else 0.0


def print_handoffs(found: dict[str, list[list[int]]]) -> None:
    """Tell hand-offs a second and their fairness, the median of the slices."""
    for name, slices in found.items():
        rate, fair = rate_of(slices), statistics.median(map(jain, slices))
        print(f"{name:40} {rate:8.0f} hand-offs a slice, Jain {fair:.2f}")


def rate_of(slices: list[list[int]]) -> float:
    """Return the hand-offs of the median slice."""
    return statistics.median(map(sum, slices))


def takeover(make: Callable[[], Any]) -> float:
    """Return the seconds from the SIGKILL of a holder, a lease of LEASE_S, until who waits has the lock."""
    from locks_subjects import entered

    held, had = fork.Event(), fork.Value("d", 0.0)

    def holder() -> None:
        stack = entered(shortened(make()))
        held.set()
        signal.pause()
        stack.close()

    def waiter() -> None:
        hold = make()
        held.wait(30)
        with hold():
            had.value = time.monotonic()

    first, second = fork.Process(target=holder), fork.Process(target=waiter)
    first.start()
    second.start()
    held.wait(30)
    time.sleep(0.3)  # the other waits by now
    killed = time.monotonic()
    first.kill()
    second.join(60)
    first.join()
    return had.value - killed


def shortened(hold: Callable[[], Any]) -> Callable[[], Any]:
    """Return ``hold`` with the lease of LEASE_S, where it is a lock of ours with a lease."""
    return lambda: block._replace(ttl=LEASE_S) if hasattr(block := hold(), "_replace") else block


def idle(make: Callable[[], Any]) -> float:
    """Return the part of a processor that IDLE threads take, which wait for a lock that stays held."""
    import threading

    from locks_subjects import entered

    held, told = fork.Event(), fork.Value("d", 0.0)

    def holder() -> None:
        entered(make())
        held.set()
        signal.pause()

    def waiters() -> None:
        hold = make()

        def wait() -> None:
            with suppress(Exception):
                entered(lambda: hold()._replace(wait=IDLE_S + 2)).close()

        for _ in range(IDLE):
            threading.Thread(target=wait, daemon=True).start()
        time.sleep(1)
        began = resource.getrusage(resource.RUSAGE_SELF)
        time.sleep(IDLE_S)
        ended = resource.getrusage(resource.RUSAGE_SELF)
        told.value = (ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime) / IDLE_S
        os._exit(0)

    first = fork.Process(target=holder)
    first.start()
    held.wait(30)
    second = fork.Process(target=waiters)
    second.start()
    second.join(60)
    first.kill()
    first.join()
    return told.value


def bars(series: Series, found: dict[str, list[list[int]]]) -> list[Bar]:
    """Return the bars."""
    listed = [
        Bar(
            "pair of RedisLocks, to two raw round trips",
            1.25,
            ratio(series, "ours: RedisLocks", "raw Redis: SET NX, DEL"),
        ),
        Bar(
            "pair of DatabaseLocks, to two raw ones",
            1.25,
            ratio(series, "ours: DatabaseLocks", "raw lease: upsert, update"),
        ),
    ]
    for what, ours, theirs, least in (
        (
            "AdvisoryLocks, to the bare lock",
            "ours: AdvisoryLocks inside atomic()",
            "raw advisory, of a transaction",
            0.8,
        ),
        ("RedisLocks, to redis-py", "ours: RedisLocks", "redis-py", 1.0),
        ("ZooKeeperLocks, to kazoo", "ours: ZooKeeperLocks", "kazoo", 0.9),
    ):
        spread = None
        if ours in found and theirs in found:
            # Upside down: a bar is an upper bound.
            part = [sum(b) / max(1, sum(a)) for a, b in zip(found[ours], found[theirs], strict=True)]
            spread = Spread(rate_of(found[theirs]) / rate_of(found[ours]), min(part), max(part))
        listed.append(Bar(f"hand-offs of what {what}: theirs by ours", 1 / least, spread))
    unfair = 1 / statistics.median(map(jain, found["ours: RedisLocks"]))
    listed.append(Bar("1 / Jain of RedisLocks", 1 / 0.95, Spread(unfair, unfair, unfair)))
    return listed


def ratio(series: Series, name: str, base: str) -> Spread | None:
    """Return a ratio of medians, where both were measured."""
    return series.ratio(name, base) if name in series and base in series else None


if __name__ == "__main__":
    sys.exit(main())
