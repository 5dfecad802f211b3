"""Locks of many processes, some of which are killed, stopped, forked or interrupted."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from lengths import rounds

from .clients import PATIENCE, until
from .databases import SITE, Database, environment

STORES = ["postgres", "mysql", "sqlite"]
LEASE_S = 2.0
#: A machine that has time takes over within 0.1 s of the end of a lease; here, within that.
GENEROUS_S = 3.0
DJANGO = [sys.executable, "-m", "django"]


def started(database: Database, folder: Path, arguments: list[object]) -> "subprocess.Popen[str]":
    """Start a process of the ledger."""
    return subprocess.Popen(
        list(map(str, arguments)),
        cwd=SITE,
        env=environment(database, folder),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def locker(database: Database, folder: Path, *arguments: object) -> "subprocess.Popen[str]":
    """Start a holder of locks."""
    return started(database, folder, [sys.executable, "-m", "ledger.locker", *arguments])


def holder(database: Database, folder: Path, name: str, ttl: float) -> "tuple[subprocess.Popen[str], int]":
    """Start one that holds ``name``; return it and its fence."""
    process = locker(database, folder, "hold", name, ttl)
    until(lambda: (folder / f"held-{name}").exists(), "the holder has the lock")
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def waiter(database: Database, folder: Path, name: str) -> "subprocess.Popen[str]":
    """Start one that waits for ``name``."""
    process = locker(database, folder, "take", name)
    until(lambda: (folder / f"asked-{name}").exists(), "another asks for the lock")
    return process


def told_by(process: "subprocess.Popen[str]", patience: float = PATIENCE) -> list[str]:
    """Return the words that a process has printed at its end, which must be a good one."""
    out, err = process.communicate(timeout=patience)
    assert process.returncode == 0, err
    return out.split()


@pytest.mark.parametrize("database", STORES, indirect=True)
def test_lock_of_a_killed_holder_is_had_when_its_lease_has_ended(
    database: Database, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    slowest = 0.0
    for _ in range(rounds(1, 20)):
        name = uuid4().hex
        first, fence = holder(database, tmp_path, name, LEASE_S)
        next_one = waiter(database, tmp_path, name)
        first.kill()
        killed = time.time()
        first.communicate(timeout=PATIENCE)
        second, had = told_by(next_one)
        assert int(second) > fence
        slowest = max(slowest, float(had) - killed)
    assert slowest < LEASE_S + GENEROUS_S
    tell(f"slowest take-over {slowest:.2f} s after the kill, of a lease of {LEASE_S} s")


@pytest.mark.parametrize("database", STORES, indirect=True)
def test_holder_that_was_stopped_past_its_lease_knows_of_it_at_once(database: Database, tmp_path: Path) -> None:
    name = uuid4().hex
    first, fence = holder(database, tmp_path, name, LEASE_S)
    os.kill(first.pid, signal.SIGSTOP)
    beside = tmp_path / "beside"
    beside.mkdir()
    second, fence_after = holder(database, beside, name, 60)
    os.kill(first.pid, signal.SIGUSR1)
    os.kill(first.pid, signal.SIGCONT)
    assert told_by(first) == ["False", "lost", "1"]
    assert fence_after > fence
    os.kill(second.pid, signal.SIGUSR1)  # nobody has touched its lock
    assert told_by(second) == ["True", "kept", "0"]


@pytest.mark.parametrize("database", STORES, indirect=True)
def test_child_after_a_fork_holds_nothing_and_frees_nothing(database: Database, tmp_path: Path) -> None:
    assert told_by(locker(database, tmp_path, "forked", uuid4().hex)) == ["False", "True", "True", "kept"]


@pytest.mark.parametrize("database", STORES, indirect=True)
def test_increments_of_many_processes_add_up(database: Database, tmp_path: Path, tell: Callable[[str], None]) -> None:
    processes, times = 4, rounds(50, 200)
    database.rows("DELETE FROM ledger_effect WHERE order_name = 'counter'")
    database.rows("INSERT INTO ledger_effect (order_name, run) VALUES ('counter', '0')")
    for each in [locker(database, tmp_path, "count", times) for _ in range(processes)]:
        told_by(each, rounds(120, 600))
    ((counted,),) = database.rows("SELECT run FROM ledger_effect WHERE order_name = 'counter'")
    assert int(counted) == processes * times
    tell(f"increments expected {processes * times}, counted {counted}")


@pytest.mark.parametrize("database", STORES, indirect=True)
def test_interrupt_at_any_moment_leaves_nothing_held(database: Database, tmp_path: Path) -> None:
    for _ in range(rounds(3, 100)):
        name = uuid4().hex
        process = locker(database, tmp_path, "spin", name)
        until(lambda: (tmp_path / f"spins-{name}").exists(), "it is at work")  # noqa: B023
        threading.Event().wait(random.uniform(0.0, 0.1))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
        assert "KeyboardInterrupt" in err
        left = database.rows("SELECT owner FROM django_dist_lock WHERE name = %s", name.encode())
        assert left in ([], [(None,)])


@pytest.mark.parametrize("database", ["postgres"], indirect=True)
def test_program_ends_with_what_guards_it(database: Database, tmp_path: Path) -> None:
    for number, status in ((signal.SIGTERM, 143), (signal.SIGKILL, -9)):
        pid = tmp_path / f"pid-{number}"
        program = ["sh", "-c", f"echo $$ > {pid}.part; mv {pid}.part {pid}; exec sleep 600"]
        guard = started(database, tmp_path, [*DJANGO, "dist_run", f"job {number}", "--", *program])
        until(pid.exists, "the program runs")
        guard.send_signal(number)
        guard.communicate(timeout=PATIENCE)
        assert guard.returncode == status
        until(lambda: not _lives(pid.read_text().strip()), "the end of the program")  # noqa: B023


def _lives(pid: str) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"
