"""What idempotency costs with requests in Redis: its surplus over the unguarded view, in round trips, and the peers.

The view writes one row to PostgreSQL, in autocommit. All subjects are called in turn, in a new random order each round;
figures are medians. No time is asserted: bars are ratios, printed with PASS or FAIL.
"""

import argparse
import os
import signal
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))  # the package as it lies here, if none is installed

import django
from django.db import connection

from harness import rounds, tell
from idempotency_redis_settings import ALIAS, PREFIX, missing_redis, redis_settings
from idempotency_setup import set_up
from stores import described, settle, store

POSTGRESQL = os.environ.get("DIST_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432")
REDIS = os.environ.get("DIST_TEST_REDIS", "redis://127.0.0.1:6379/0")


def main() -> int:
    """Measure; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    option = parser.add_argument
    option("--database-url", default=POSTGRESQL, help="postgresql://... (default: %(default)s)")
    option("--redis-url", default=REDIS, help="redis://... (default: %(default)s)")
    option("--samples", type=int, default=1000, help="rounds; each calls every subject (default: %(default)s)")
    option("--strict", action="store_true", help="exit 1 unless every bar passes")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leave by the front, so that the databases are dropped
    if why := missing_redis(options.redis_url):
        print(f"not run: {why}")
        return int(options.strict)
    with store(options.database_url) as database:
        left_out = set_up(database, **redis_settings(options.redis_url))
        return measure(options, left_out)


def measure(options: argparse.Namespace, left_out: dict[str, str]) -> int:
    """Measure all in turn, print what was found, and return the exit status."""
    from django_redis import get_redis_connection

    from idempotency_redis_report import bars, lines  # has models: Django must be set up
    from idempotency_redis_subjects import calls, verified

    server = get_redis_connection(ALIAS)
    try:
        print(f"\n# {described(connection)}; {_described(server)}; Django {django.__version__}", end=", ")
        print(f"Python {sys.version.split()[0]}")
        subjects = verified(left_out, options.redis_url)
        settle(connection)
        measured = calls(subjects)
        for call in measured.values():
            for _ in range(100):
                call()
        series = rounds(measured, options.samples, "Redis")
    finally:
        for key in server.scan_iter(f"{PREFIX}*", count=10_000):
            server.delete(key)
    found = bars(series, [subject.name for subject in subjects if subject.rival])
    print("\n".join(lines(series)))
    for name, reason in left_out.items():
        print(f"not run: {name}: {reason}")
    print("\nbars: ratio of medians [90% of bootstrap samples]")
    print("\n".join(str(bar) for bar in found), flush=True)
    return int(options.strict and any(bar.verdict != "PASS" for bar in found))


def _described(server: "object") -> str:
    info = server.info()  # type: ignore[attr-defined]
    name = "Valkey" if "valkey_version" in info else "Redis"
    return f"{name} {info.get('valkey_version', info['redis_version'])}, appendonly {info['aof_enabled']}"


if __name__ == "__main__":
    tell("about two minutes")
    sys.exit(main())
