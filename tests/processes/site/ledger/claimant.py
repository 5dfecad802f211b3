"""A consumer of messages: ``python -m ledger.claimant storm SEED CLAIMS KEYS``, ``hold KEY``, or ``take KEY...``."""

import os
import random
import signal
import sys
from uuid import uuid4

import django
from django.db import OperationalError, transaction

from .notes import note


class Told(Exception):
    """This one is to be rolled back."""


def storm(seed: str, claims: str, keys: str) -> None:
    """Claim random keys, roll some back, and print how many were won for good, and how many tries were given up."""
    from django_dist.dedupe import claim

    from .models import Effect

    told, won, again = random.Random(int(seed)), 0, 0
    for _ in range(int(claims)):
        key, fails = f"storm {told.randrange(int(keys))}", told.random() < 0.1
        while True:
            try:
                with transaction.atomic():
                    mine = claim("storm", key)
                    if mine:
                        Effect.objects.create(order=key, run=uuid4().hex)
                    if fails:
                        raise Told
                won += mine
            except OperationalError:  # a deadlock of those who waited for one that was rolled back: deliver it again
                again += 1
                continue
            except Told:
                pass
            break
    print(won, again)


def hold(key: str) -> None:
    """Claim ``key``, leave its effect, and wait for the end with the transaction open."""
    from django_dist.dedupe import claim

    from .models import Effect

    with transaction.atomic():
        assert claim("hold", key)
        Effect.objects.create(order=key, run=uuid4().hex)
        note("held", key)
        signal.pause()


def take(*keys: str) -> None:
    """Handle messages under @once and print those that took effect; DIE names one, and the point to be killed at."""
    from django_dist.dedupe import once

    from .models import Effect

    doomed, _, point = os.environ.get("DIE", "").partition("@")

    @once("hold", key=lambda key: key, keep_result=True)
    def handle(key: str) -> str:
        note("taken", key)
        Effect.objects.create(order=key, run=uuid4().hex)
        if (key, "handler") == (doomed, point):
            os.kill(os.getpid(), signal.SIGKILL)
        if (key, "committed") == (doomed, point):
            transaction.on_commit(lambda: os.kill(os.getpid(), signal.SIGKILL))
        return f"{os.getpid()}"

    for key in keys:
        note("asked", key)
        print(key, handle(key) == f"{os.getpid()}", flush=True)


if __name__ == "__main__":
    django.setup()
    {"storm": storm, "hold": hold, "take": take}[sys.argv[1]](*sys.argv[2:])
