"""A holder of locks: ``python -m ledger.locker hold NAME TTL``, ``take NAME``, ``forked NAME``, or ``count TIMES``."""

import os
import signal
import sys
import time

import django
from django.db import transaction

from .notes import note


def hold(name: str, ttl: str) -> None:
    """Hold ``name`` until SIGUSR1, and print what is known then, and on leaving."""
    from django_dist.exceptions import LockLost
    from django_dist.locks import lock

    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})  # of threads, too: the one below is to get it
    told: list[int] = []
    try:
        with lock(name, ttl=float(ttl), on_lost=lambda lease: told.append(lease.fence)) as lease:
            print(lease.fence, flush=True)
            note("held", name)
            signal.sigwait({signal.SIGUSR1})
            held = lease.held()  # the first call after it went on
            print(held, flush=True)
            while not held and not told:
                time.sleep(0.01)
    except LockLost:
        print("lost", len(told), flush=True)
    else:
        print("kept", len(told), flush=True)


def take(name: str) -> None:
    """Wait for ``name`` and print its fence, and when it was had."""
    from django_dist.locks import lock

    note("asked", name)
    with lock(name, wait=60) as lease:
        print(lease.fence, time.time(), flush=True)


def forked(name: str) -> None:
    """Hold ``name``, and print what a child after a fork makes of it."""
    from django_dist.exceptions import LockLost, LockTimeout
    from django_dist.locks import lock

    block = lock(name)
    with block as lease:
        child = os.fork()
        if not child:
            django.db.connections["default"].connection = None  # its parent's, which must not be closed here
            found = [lease.held()]
            try:
                block.__exit__(None, None, None)
            except LockLost:
                found.append(True)
            try:
                with lock(name, wait=0):
                    found.append(False)
            except LockTimeout:
                found.append(True)
            print(*found, flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        lease.check()
    print("kept", flush=True)


def count(times: str) -> None:
    """Read and write a number, each time in a transaction and under the lock that is taken in it."""
    from django_dist.locks import lock

    from .models import Effect

    for _ in range(int(times)):
        with transaction.atomic(), lock("counter", wait=60):
            row = Effect.objects.get(order="counter")
            row.run = str(int(row.run) + 1)
            row.save()


def spin(name: str) -> None:
    """Take and free ``name`` until it is interrupted."""
    from django_dist.locks import lock

    note("spins", name)
    while True:
        with lock(name):
            pass


if __name__ == "__main__":
    django.setup()
    {"hold": hold, "take": take, "forked": forked, "count": count, "spin": spin}[sys.argv[1]](*sys.argv[2:])
