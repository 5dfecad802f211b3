"""The demo from its first line to its exit status."""

import argparse
import asyncio
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any, Final

import stripe

from .databases import own_database
from .plan import PHASES, Phase
from .report import came_to, done_to_it
from .servers import Server, ServerFailed, serve
from .tally import Promise, Tally, Unanswered

#: A logical request is answered many times a second; when none is for this long, something is broken.
STALL_SECONDS: Final = 30.0


def main() -> int:
    """Run the demo; return 0 if every promise was kept, else 1."""
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what stands below "finally" is done
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="shop-demo-") as temporary:
        folder = Path(temporary)
        try:
            with own_database(options.database_url, folder) as url:
                kept = _prove(url, folder, options)
        except (ServerFailed, Unanswered) as error:
            _say(f"\nFAILED: {error}")
            kept = False
        except KeyboardInterrupt:
            _say("\nStopped.")
            return 130
    _say(f"Took {time.monotonic() - started:.1f} s.")
    return 0 if kept else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--database-url",
        default=os.environ.get("DATABASE_URL") or "sqlite://",
        help="server to run on, as in postgres://postgres@127.0.0.1:5432/shop; default: DATABASE_URL, else SQLite",
    )
    parser.add_argument("--unguarded", action="store_true", help="the same storm without the guard: shows the fault")
    parser.add_argument("--seed", type=int, default=7, help="of all that is random (default: %(default)s)")
    return parser.parse_args()


def _prove(url: str, folder: Path, options: argparse.Namespace) -> bool:
    """Run both phases on the empty database ``url``; print the tables; return whether all was kept."""
    store = _prepare(url, folder)
    from store.bank import book  # after django.setup()

    from .count import promises

    promise, rng, tallies = Promise(), Random(options.seed), []
    for phase in PHASES:
        _say(f"Starting {phase.title} ...")
        with serve(phase.server, folder) as server:
            tallies.append(asyncio.run(_drive(server, phase, promise, rng, not options.unguarded)))
        tallies[-1].bank_calls = book().calls - sum(tally.bank_calls for tally in tallies)
    lines = promises(promise, tallies)
    kept = all(line.kept for line in lines)
    guard = "WITHOUT the guard" if options.unguarded else "guarded by django_dist"
    print(f"\nThe shop on {store}, {guard}, seed {options.seed}\n")
    print(done_to_it(tallies), came_to(lines), sep="\n\n")
    print(
        "\nEvery promise kept." if kept else "\nNOT KEPT: what was counted differs from what was promised.", flush=True
    )
    return kept


def _prepare(url: str, folder: Path) -> str:
    """Make the tables and the stock; return the name and version of the database."""
    os.environ |= {
        "DATABASE_URL": url,
        "SHOP_BANK": str(folder / "bank.sqlite3"),
        "DJANGO_SETTINGS_MODULE": "shop.settings",
        "NO_PROXY": "127.0.0.1",
    }
    os.environ.pop("SHOP_DEBUG", None)
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    _say("Making the tables ...")
    call_command("migrate", verbosity=0)
    from store.stock import fill

    fill()
    with connection.cursor() as cursor:
        cursor.execute("SELECT sqlite_version()" if connection.vendor == "sqlite" else "SELECT version()")
        version = str(cursor.fetchone()[0]).removeprefix("PostgreSQL ").split()[0]
    name = "MariaDB" if getattr(connection, "mysql_is_mariadb", False) else connection.display_name
    connection.close()
    return f"{name} {version.partition('-')[0]}"


async def _drive(server: Server, phase: Phase, promise: Promise, rng: Random, guarded: bool) -> Tally:
    """Do to ``server`` all that ``phase`` plans, at once; return what came of it."""
    tally = Tally(phase.server, phase.logical)
    started = time.monotonic()
    watching = asyncio.ensure_future(_watch(server, tally, started))
    work = asyncio.ensure_future(phase.run(server, tally, promise, rng, guarded))
    try:
        tasks: set[asyncio.Future[Any]] = {work, watching}
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    except (stripe.StripeError, Unanswered) as error:
        raise ServerFailed(f"{server.name}: {error}\n{server.last_lines()}") from error
    finally:
        watching.cancel()
        work.cancel()
    tally.seconds = time.monotonic() - started
    _progress(tally, started, end="\n")
    return tally


async def _watch(server: Server, tally: Tally, started: float) -> None:
    """Show progress until cancelled; raise ServerFailed when the server is gone or answers nothing any more."""
    answered, moved = tally.answered, time.monotonic()
    while True:
        await asyncio.sleep(0.25 if sys.stderr.isatty() else 2.5)
        _progress(tally, started, end="" if sys.stderr.isatty() else "\n")
        if tally.answered != answered:
            answered, moved = tally.answered, time.monotonic()
        if server.process.poll() is not None:
            raise ServerFailed(f"{server.name} has ended:\n{server.last_lines()}")
        if time.monotonic() - moved > STALL_SECONDS:
            raise ServerFailed(f"{server.name}: nothing answered for {STALL_SECONDS:.0f} s:\n{server.last_lines()}")


def _progress(tally: Tally, started: float, end: str) -> None:
    back = "\r" if sys.stderr.isatty() else ""
    line = (
        f"  {tally.name}: {tally.answered}/{tally.planned} answered, {tally.sent} sent, "
        f"{tally.dropped} dropped, {tally.kills} workers killed, {time.monotonic() - started:.1f} s"
    )
    print(f"{back}{line}   ", end=end, file=sys.stderr, flush=True)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
