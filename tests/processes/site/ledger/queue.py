"""A Celery worker that acknowledges late, of a task under @once: ``python -m celery -A ledger.queue worker``."""

import os
import signal
from uuid import uuid4

import django
from celery import Celery, shared_task

django.setup()

from django.db import transaction  # noqa: E402

from django_dist.dedupe import once  # noqa: E402

from .models import Effect  # noqa: E402
from .notes import first, note  # noqa: E402

app = Celery("ledger", broker=os.environ["LEDGER_BROKER"])
app.conf.update(
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "global_keyprefix": os.environ["LEDGER_BROKER_PREFIX"],
        "visibility_timeout": 1,  # seconds until what a lost worker has not acknowledged is delivered again
        "unacked_restore_interval": 1,  # and how often a worker looks for it; kombu 5.7: each tenth of these looks
        "unacked_restore_throttle": 1,
    },
)


def die(key: str) -> None:
    """Kill the process that runs the task, the first time."""
    if first("died", key):
        os.kill(os.getpid(), signal.SIGKILL)


@once("queue", key=lambda key, point: key)
def pay(key: str, point: str) -> None:
    """Leave one effect; die on the way where ``point`` says."""
    note("ran", key)
    Effect.objects.create(order=key, run=uuid4().hex)
    if point == "handler":
        die(key)
    if point == "committed":
        transaction.on_commit(lambda: die(key))


@shared_task(name="pay")
def pay_task(key: str, point: str) -> None:
    """Note each delivery, and its end."""
    note("delivered", key)
    pay(key, point)
    note("done", key)
