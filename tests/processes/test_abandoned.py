"""Workers killed in, before and after every step; dist_complete, killed, stopped and paused itself, ends each order."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from lengths import rounds

from .clients import PATIENCE, new_order
from .databases import SITE, Database, environment
from .servers import Server, group, gunicorn

STORES = ["postgres", "mysql", "sqlite"]
STEPS = ("charge", "ship", "mail")
#: Where a process dies, and the step that is called again for it, under its key: one that was in flight.
POINTS = {f"{where}-{name}": name for name in STEPS for where in ("in", "took")}
POINTS |= {f"{where}-{name}": "" for name in STEPS for where in ("before", "after")}
POINTS["finishing"] = ""
#: A completer that is killed leaves its lease to run out, so fewer points are tried in the short run.
POINTS_OF_COMPLETERS = list(POINTS)[:: rounds(3, 1)]
COMMAND = [sys.executable, "-m", "django", "dist_complete"]


@pytest.fixture(scope="module")
def server(database: Database) -> Iterator[Server]:
    with gunicorn(database, workers=3) as server:
        yield server
        assert "Traceback" not in server.errors()


@contextmanager
def completer(server: Server, database: Database, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Run the command as a process of its own; give it and the file of what it says."""
    said = server.folder / f"completer-{new_order()}"
    with said.open("wb") as log:
        arguments = [*COMMAND, "--backoff-s", "0", *options]
        with group(arguments, log, cwd=SITE, env=environment(database, server.folder)) as process:
            yield process, said


def completed(server: Server, database: Database, *options: str) -> str:
    """Run the command until nothing is due; return what it said."""
    with completer(server, database, *options) as (process, said):
        assert process.wait(PATIENCE) == 0, said.read_text()
        return said.read_text()


def leave_behind(server: Server, path: str, **told: object) -> str:
    """Send an order whose worker dies, or is told to; return it."""
    order = new_order()
    assert server.post(path, order, **told).status == 0
    return order


def took(server: Server, order: str) -> list[int]:
    """Return how often each step took effect."""
    return [len(server.notes(f"took-{name}", order)) for name in STEPS]


def calls(server: Server, order: str) -> dict[str, int]:
    """Return how often each step was called."""
    return {name: len(server.notes(f"called-{name}", order)) for name in STEPS}


@pytest.mark.parametrize("database", STORES, indirect=True)
@pytest.mark.parametrize("deaths", [1, 2])
def test_every_step_has_one_effect_wherever_workers_and_completers_are_killed(
    server: Server, database: Database, deaths: int, tell: Callable[[str], None]
) -> None:
    """The first death is a worker's, the second that of a completer."""
    count, killed = rounds(1, 30), 0
    points = list(POINTS) if deaths == 1 else POINTS_OF_COMPLETERS
    for _ in range(count):
        orders = {leave_behind(server, "pay/rerun", die=point, deaths=deaths): point for point in points}
        killed += drive(server, database, list(orders))
        for order, point in orders.items():
            assert took(server, order) == [1, 1, 1], (point, calls(server, order))
            assert calls(server, order) == {name: 1 + deaths * (name == POINTS[point]) for name in STEPS}, point
            assert database.effects(order) == 1
            reply = server.post("pay/rerun", order, die=point, deaths=deaths)
            assert (reply.status, reply.replayed) == (201, True), (point, reply)
    assert killed == count * len(points) * (deaths - 1)
    tell(f"{count * len(points)} workers and {killed} completers killed, one effect a step counted for each")


def drive(server: Server, database: Database, orders: list[str]) -> int:
    """Keep two completers alive until every order has its effect; return how many were killed."""
    killed = 0
    with ExitStack() as stack:

        def start() -> subprocess.Popen[bytes]:
            return stack.enter_context(completer(server, database, "--every", "0.1"))[0]

        alive = [start(), start()]

        def ended() -> bool:
            nonlocal killed
            for place, process in enumerate(alive):
                if process.poll() is not None:
                    assert process.returncode == -signal.SIGKILL
                    killed, alive[place] = killed + 1, start()
            return all(database.effects(order) for order in orders)

        until_long(ended)
    return killed


def until_long(condition: Callable[[], bool]) -> None:
    """Wait for what takes many leases."""
    deadline = time.monotonic() + 6 * PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "completers did not end the orders"
        time.sleep(0.05)


@pytest.mark.parametrize("database", STORES, indirect=True)
def test_step_in_flight_is_held_where_it_must_not_be_repeated_and_an_operator_decides(
    server: Server, database: Database
) -> None:
    orders = {point: leave_behind(server, "pay/hold", die=point) for point in ("in-ship", "took-ship")}
    until_long(lambda: "2 due" in completed(server, database, "--dry-run"))
    assert "0 completed, 0 failed, 2 held" in completed(server, database)
    listed = [line for line in completed(server, database, "--list").splitlines() if "ledger.abandoned" in line]
    assert ["step 'ship': an earlier try ended in it" in line for line in listed] == [True, True]
    digests = {line.split()[0] for line in listed}
    for order in orders.values():
        assert calls(server, order) == {"charge": 1, "ship": 1, "mail": 0}
        assert server.post("pay/hold", order, die="no").problem == "outcome-held"
    for digest in digests:
        assert f"rerun: {digest}" in completed(server, database, "--rerun", digest)
    assert "2 completed" in completed(server, database)
    for order in orders.values():
        assert took(server, order) == [1, 1, 1]
        assert server.post("pay/hold", order, die="no").replayed


@pytest.mark.parametrize("database", STORES[:1], indirect=True)
def test_completer_that_is_told_to_stop_finishes_what_it_has_begun(server: Server, database: Database) -> None:
    waiting = leave_behind(server, "pay/rerun", die="before-ship", wait="before-mail")
    other = leave_behind(server, "pay/rerun", die="before-ship")
    with completer(server, database, "--every", "0.1", "--batch", "1") as (process, said):
        until_long(lambda: bool(server.notes("stands", waiting)))
        process.send_signal(signal.SIGTERM)
        (server.folder / f"go-{waiting}").touch()
        assert process.wait(PATIENCE) == 0
        assert "1 completed, 0 failed, 0 held, 0 lost" in said.read_text()
    assert (database.effects(waiting), database.effects(other)) == (1, 0)
    assert drive(server, database, [other]) == 0


@pytest.mark.parametrize("database", STORES, indirect=True)
def test_completer_that_was_paused_past_its_lease_is_refused(server: Server, database: Database) -> None:
    order = leave_behind(server, "pay/rerun", die="before-ship", wait="before-mail")
    with completer(server, database, "--every", "0.1") as (late, said):
        until_long(lambda: bool(server.notes("stands", order)))
        os.kill(late.pid, signal.SIGSTOP)
        assert drive(server, database, [order]) == 0
        (server.folder / f"go-{order}").touch()
        os.kill(late.pid, signal.SIGCONT)
        # Its renewer and its step ask whether it still owns the request; SIGTERM has it sum up.
        late.send_signal(signal.SIGTERM)
        assert late.wait(PATIENCE) == 0
        assert "0 completed, 0 failed, 0 held, 1 lost" in said.read_text()
    assert took(server, order) == [1, 1, 1]
    assert calls(server, order) == {"charge": 1, "ship": 1, "mail": 1}
    assert database.effects(order) == 1
