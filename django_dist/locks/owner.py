"""Who may hold a lock: a thread, or a task of asyncio, of one process; each grant has an owner of its own."""

import asyncio
import os
import socket
import threading
from functools import cache, lru_cache
from itertools import count
from typing import Any, Final, NamedTuple
from uuid import uuid4
from weakref import ref

LONGEST: Final = 40  # characters of a host, thread or task


class Owner(NamedTuple):
    """What is known of a holder, for whoever looks at a list of them."""

    host: str
    pid: int
    where: str  # the name of the thread or task
    nonce: str

    @classmethod
    def read(cls, text: str) -> "Owner":
        """Return the owner that ``text`` tells of; one of another make has a nonce alone."""
        parts = text.split(" ")
        if len(parts) != 4 or not parts[1].isdecimal():
            return cls("", 0, "", text)
        return cls(parts[0], int(parts[1]), parts[2], parts[3])

    def __str__(self) -> str:
        return " ".join((self.host, str(self.pid), self.where, self.nonce))


class Runner(NamedTuple):
    """The thread or task that runs now, as this process tells them apart."""

    pid: int
    thread: int
    task: int  # 0: none


def running() -> Runner:
    """Return who runs now. A child after a fork is another than its parent."""
    task = _task()
    return Runner(os.getpid(), 0 if task else threading.get_ident(), id(task) if task else 0)


def new_owner() -> str:
    """Return an owner for one grant to who runs now."""
    task = _task()
    where = task.get_name() if task else threading.current_thread().name
    return f"{_host()} {os.getpid()} {_plain(where)} {_process.nonce}-{next(_process.grants):x}"


class _Process:
    """What no other process calls itself."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Take another name, such as after a fork."""
        self.nonce, self.grants = uuid4().hex, count()


_process: Final = _Process()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_process.begin)


def life() -> "ref[Any]":
    """Return a reference to the thread or task that runs now, for lives()."""
    return ref(_task() or threading.current_thread())


def lives(runner: "ref[Any]") -> bool:
    """Return whether a thread or task of life() still runs."""
    found = runner()
    if isinstance(found, threading.Thread):
        return found.is_alive()
    return found is not None and not found.done()


def _task() -> "asyncio.Task[Any] | None":
    loop = asyncio._get_running_loop()  # get_running_loop() would raise, which takes longer than all the rest
    return None if loop is None else asyncio.current_task(loop)


@cache
def _host() -> str:
    return _plain(socket.gethostname())


@lru_cache(maxsize=1000)
def _plain(text: str) -> str:
    """Return ``text`` short, and without what would part it or not be ASCII."""
    return "".join(char if "!" <= char <= "~" else "_" for char in text)[:LONGEST] or "_"
