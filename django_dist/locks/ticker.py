"""Call what is due: one thread for all that waits, asleep while there is nothing.

A thread, under ASGI too: a task would not come to its turn while a view blocks the event loop.
"""

import logging
import os
import threading
from collections.abc import Callable
from typing import Final

from django.db import connections

from .moment import moment

log: Final = logging.getLogger("django_dist.locks")
LOOK_S: Final = 1.0
#: Returns when it is due again, by moment(), or None: never.
Job = Callable[[], float | None]


class Ticker:
    """Calls each job when it is due, on a thread of its own; a child after a fork begins with none."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._forget()

    def _forget(self) -> None:
        self._pid, self._changed = os.getpid(), threading.Condition()
        self._due: dict[Job, float] = {}
        self._next = float("inf")  # when the thread wakes
        self._added = False  # something, since it last looked
        self._thread: threading.Thread | None = None

    def add(self, job: Job, due: float) -> None:
        """Call ``job`` at ``due``, by moment()."""
        if self._pid != os.getpid():
            self._forget()
        self._due[job], self._added = due, True
        if due < self._next or self._thread is None:  # else it wakes in time
            with self._changed:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                    self._thread.start()
                self._changed.notify()

    def remove(self, job: Job) -> None:
        """Call ``job`` no more, but for a call that runs now."""
        if self._pid == os.getpid():
            self._due.pop(job, None)

    def _run(self) -> None:
        while True:
            for job in self._await_due():
                try:
                    due = job()
                except Exception:
                    log.exception("%s: a job failed and is not called again", self._name)
                    due = None
                if due is None:
                    self._due.pop(job, None)
                elif job in self._due:
                    self._due[job] = due
            connections.close_all()  # this thread's own: the next round may be long in coming

    def _await_due(self) -> list[Job]:
        with self._changed:
            while True:
                self._next = float("inf")  # what is added from here on notifies, and waits for the lock to do so
                now, jobs = moment(), list(self._due.items())
                if due := [job for job, when in jobs if when <= now]:
                    return due
                # Jobs come and go: to be woken by each of them would cost more than to look once a second.
                idle, self._added = now + LOOK_S if self._added else float("inf"), False
                self._next = min((when for _, when in jobs), default=idle)
                self._changed.wait(None if self._next == float("inf") else max(0.0, self._next - now))
