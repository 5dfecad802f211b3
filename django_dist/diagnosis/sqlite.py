"""Checks of SQLite: one writer at a time is all it gives, so how writers wait is what counts."""

import sqlite3
from collections.abc import Iterator
from typing import Final

from .base import Check, Finding, Subject, advice, wrong

MINIMUM: Final = (3, 35)


def version(subject: Subject) -> Iterator[Finding]:
    """The library knows RETURNING."""
    if sqlite3.sqlite_version_info < MINIMUM:
        yield wrong(f"SQLite is {sqlite3.sqlite_version}, below 3.35", "use a Python that is built with a newer one")


def shared(subject: Subject) -> Iterator[Finding]:
    """Every process sees the same records."""
    if subject.connection.is_in_memory_db():  # type: ignore[attr-defined]
        yield wrong("the database is in memory: each process has records of its own", "NAME a file")


def immediate(subject: Subject) -> Iterator[Finding]:
    """A transaction that has read can write."""
    if subject.connection.transaction_mode not in ("IMMEDIATE", "EXCLUSIVE"):  # type: ignore[attr-defined]
        yield advice(
            "transactions begin DEFERRED: one that reads first and then writes may fail at once, 'database is locked'",
            'set "transaction_mode": "IMMEDIATE" in OPTIONS of the database',
        )


def write_ahead_log(subject: Subject) -> Iterator[Finding]:
    """Readers and the writer do not keep each other waiting."""
    mode = subject.ask("PRAGMA journal_mode")
    if mode not in ("wal", "memory"):
        yield advice(
            f"journal_mode is {mode}: a reader keeps the writer waiting, and the other way round",
            'set "init_command": "PRAGMA journal_mode=WAL" in OPTIONS of the database',
        )


def timeout(subject: Subject) -> Iterator[Finding]:
    """A request waits for the writer as long as the policy says."""
    timeout_s, wait_s = subject.ask("PRAGMA busy_timeout") / 1000, max(policy.wait for policy in subject.policies)
    if timeout_s < wait_s:
        yield advice(
            f"timeout is {timeout_s:g} s and repeats wait {wait_s:g} s: any request may get 409 or 500 earlier",
            'set "timeout": 20 in OPTIONS of the database',
        )


def durability(subject: Subject) -> Iterator[Finding]:
    """What was answered outlives a loss of power."""
    level, mode = subject.ask("PRAGMA synchronous"), subject.ask("PRAGMA journal_mode")
    if level == 0:
        yield wrong("synchronous is OFF: a loss of power can corrupt the database", "PRAGMA synchronous=FULL")
    elif level == 1 and mode == "wal":
        yield advice(
            "synchronous is NORMAL: a loss of power undoes what was answered just before",
            'append "; PRAGMA synchronous=FULL" to init_command of OPTIONS where that matters',
        )


CHECKS: Final[tuple[Check, ...]] = (version, shared, immediate, write_ahead_log, timeout, durability)
