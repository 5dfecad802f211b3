"""Run a program on one machine of many at a time: under a lock, and killed before the lock is lost."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError

from ...exceptions import BackendUnavailable, InvalidBackend, LockLost, LockTimeout
from ...locks import Lease, lock
from ...locks.moment import moment

#: Exit statuses of our own, of those that sysexits.h sets apart; any other is the program's.
BUSY, LOST, UNAVAILABLE, NOT_FOUND = 75, 76, 69, 127
#: What is left of a lease when a program is asked to end, and when it is killed: the store has been silent for long.
ASKED, KILLED = 1 / 3, 1 / 6
LOOK_EVERY_S: Final = 0.1
PR_SET_PDEATHSIG: Final = 1


class Command(BaseCommand):
    """``manage.py dist_run NAME -- PROGRAM ...``: from cron on every server, and one of them runs it."""

    help = (
        "Run a program under a lock. Exit status: the program's own, 75 where another holds the lock, 76 where the "
        "lock was lost and the program ended for it, 69 where the store does not answer."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        """See BaseCommand."""
        parser.add_argument("name", help="the lock")
        parser.add_argument("program", nargs="+", help="after --, the program and its arguments")
        parser.add_argument("--ttl", type=float, default=60.0, help="seconds of the lease (default: %(default)s)")
        parser.add_argument("--wait", type=float, default=0.0, help="seconds to wait for it (default: %(default)s)")
        parser.add_argument(
            "--at-least",
            type=float,
            default=0.0,
            help="hold it for so many seconds, where the program ends sooner: longer than clocks of servers differ",
        )
        parser.add_argument("--using", default="default", help="alias of DIST_LOCKS (default: %(default)s)")

    def handle(
        self, *, name: str, program: list[str], ttl: float, wait: float, at_least: float, using: str, **options: Any
    ) -> None:
        """Run it; see BaseCommand."""
        began, lost = moment(), threading.Event()
        try:
            with lock(name, ttl=ttl, wait=wait, using=using, on_lost=lambda lease: lost.set()) as lease:
                status = _run(program, lease)
                lost.wait(max(0.0, began + at_least - moment()))
        except LockTimeout as error:
            raise CommandError(str(error), returncode=BUSY) from error
        except LockLost as error:
            raise CommandError(str(error), returncode=LOST) from error
        except BackendUnavailable as error:
            raise CommandError(str(error), returncode=UNAVAILABLE) from error
        except (InvalidBackend, ValueError) as error:
            raise CommandError(str(error)) from error
        except FileNotFoundError as error:
            raise CommandError(f"no such program: {program[0]}", returncode=NOT_FOUND) from error
        if status:
            sys.exit(status if status > 0 else 128 - status)  # of a signal, as shells tell it


def _run(program: list[str], lease: Lease) -> int:
    """Return how ``program`` ended; raises LockLost where it was ended before the lease."""
    told = {"DIST_LOCK_NAME": lease.name, "DIST_LOCK_FENCE": str(lease.fence)}
    with subprocess.Popen(  # noqa: S603  (what the operator has asked for)
        program, env={**os.environ, **told}, start_new_session=True, preexec_fn=_dies_with_parent()
    ) as child:
        try:
            with _passed_on(child):
                return _watched(child, lease)
        finally:
            _send(child, signal.SIGKILL)  # what it has left running goes, too


def _watched(child: "subprocess.Popen[bytes]", lease: Lease) -> int:
    while True:
        with suppress(subprocess.TimeoutExpired):
            return child.wait(LOOK_EVERY_S)
        if lease.left <= KILLED * lease.ttl:
            _send(child, signal.SIGKILL)
            child.wait()
            raise LockLost(f"{lease.name!r} is lost, or would have been: {child.args!r} was killed", name=lease.name)
        if lease.left <= ASKED * lease.ttl:
            _send(child, signal.SIGTERM)


def _send(child: "subprocess.Popen[bytes]", number: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(child.pid, number)


@contextmanager
def _passed_on(child: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Let who ends this process end the program."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = {
        number: signal.signal(number, lambda number, frame: _send(child, number))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _dies_with_parent() -> Callable[[], Any] | None:
    """Return what a child does first, on Linux: it is killed when this process is, and cannot watch it any more."""
    if not sys.platform.startswith("linux"):
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
