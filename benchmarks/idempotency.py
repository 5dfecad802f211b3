"""What idempotency costs: ratios to the unguarded view, to a floor in raw SQL and to the peers, taken in one run.

Every subject is called in this process through Django's WSGI handler, all in turn and in a new random order each
round; figures are medians. No time is asserted: bars are ratios, printed with PASS or FAIL.
"""

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))  # the package as it lies here, if none is installed

import django
from django.db import connection

from idempotency_setup import OURS, set_up
from stores import described, store

POSTGRESQL = os.environ.get("DIST_TEST_POSTGRES", "postgresql://postgres@127.0.0.1:5432")


def main() -> int:
    """Measure on every database that is asked for; return the exit status."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # leave by the front, so that the databases are dropped
    urls = options.database_url or [POSTGRESQL, "sqlite://"]
    if len(urls) == 1:
        return measure(urls[0], options)
    # A process a database, since Django is set up once a process; the last --database-url counts.
    command = [sys.executable, __file__, *sys.argv[1:]]
    return max(_run([*command, "--this-database-alone", url]) for url in urls)


def _run(command: list[str]) -> int:
    with subprocess.Popen(command) as child:
        try:
            return child.wait()
        except SystemExit:
            child.terminate()  # not killed: it drops its databases
            raise


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    option = parser.add_argument
    option("--database-url", action="append", help="postgresql://... or sqlite://; may be given twice (default: both)")
    option("--this-database-alone", help=argparse.SUPPRESS)
    option("--samples", type=int, default=300, help="rounds; each calls every subject (default: %(default)s)")
    option("--only", default="", help="measure subjects whose name holds one of these parts, and the bare views")
    option("--skip-subjects", action="store_true", help="measure the million records and the purge alone")
    option("--skip-million", action="store_true", help="leave out the million records and the purge")
    option("--purge-limit-s", type=float, default=45, help="stop the purge after so long (default: %(default)s)")
    option("--strict", action="store_true", help="exit 1 unless every bar passes; the bars are those of PostgreSQL")
    options = parser.parse_args()
    if options.this_database_alone:
        options.database_url = [options.this_database_alone]
    return options


def measure(url: str, options: argparse.Namespace) -> int:
    """Measure on one database, print what was found, and return the exit status."""
    with store(url) as database:
        left_out = set_up(database)
        from idempotency_run import measure_million, measure_subjects  # has models: Django must be set up

        print(f"\n# {described(connection)}; Django {django.__version__}, Python {sys.version.split()[0]}")
        found = []
        if not options.skip_subjects:
            only = [part.strip() for part in options.only.split(",") if part.strip()]
            found += measure_subjects(options.samples, only, left_out)
        if not options.skip_million and OURS not in left_out:
            found += measure_million(options.samples, database.second, options.purge_limit_s)
        for name, reason in left_out.items():
            print(f"not run: {name}: {reason}")
        if connection.vendor != "postgresql":
            return 0
        print("\nbars: ratio of medians [90% of bootstrap samples]")
        print("\n".join(str(bar) for bar in found), flush=True)
        return int(options.strict and any(bar.verdict != "PASS" for bar in found))


if __name__ == "__main__":
    sys.exit(main())
