"""A pretend bank that counts its calls, in a SQLite file of its own.

It stands for any system outside our database: when our transaction rolls back, what the bank did
stays done. So it does what real banks do: it takes a key with each charge, and a key that it has
seen is answered from its book. It is *not* safe against a caller who makes up a new key a try.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Final, NamedTuple
from uuid import UUID

from django.conf import settings

#: What a card network takes to answer, shortened: the window in which a worker may die.
ANSWER_SECONDS: Final = 0.03

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS charge (key TEXT PRIMARY KEY, amount INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS call (number INTEGER PRIMARY KEY, caller INTEGER NOT NULL);
"""


class Book(NamedTuple):
    """What the bank has seen and done; ``money`` is in minor units."""

    calls: int
    charges: int
    money: int


def charge(key: UUID, amount: int) -> str:
    """Charge the card once for ``key``, however often it is called; return the bank's reference."""
    with _book() as book:
        book.execute("BEGIN IMMEDIATE")
        book.execute("INSERT INTO call (caller) VALUES (?)", (os.getpid(),))
        book.execute("INSERT INTO charge (key, amount) VALUES (?, ?) ON CONFLICT (key) DO NOTHING", (str(key), amount))
        book.execute("COMMIT")
    time.sleep(ANSWER_SECONDS)  # done, and the caller does not know it yet
    return f"bank-{key.hex[:20]}"


def book() -> Book:
    """Return the bank's counts."""
    with _book() as rows:
        calls = rows.execute("SELECT COUNT(*) FROM call").fetchone()
        return Book(*calls, *rows.execute("SELECT COUNT(*), COALESCE(SUM(amount), 0) FROM charge").fetchone())


def last_call() -> tuple[int, int]:
    """Return number and process id of the last caller, for whoever wants to kill it right then; (0, 0) before any."""
    with _book() as rows:
        number, caller = rows.execute("SELECT MAX(number), caller FROM call").fetchone()
        return number or 0, caller or 0


@contextmanager
def _book() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(settings.BANK_FILE, timeout=20, isolation_level=None)) as book:
        book.execute("PRAGMA synchronous=OFF")  # it need survive a killed process, not a power cut
        book.executescript(SCHEMA)
        yield book
