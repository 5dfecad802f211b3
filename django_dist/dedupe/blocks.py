"""Transactions that coroutines hold open: two of one thread share its connection, and must not share a transaction."""

from contextvars import ContextVar
from typing import Final

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import Atomic


class CoroutineBlock(Atomic):
    """The transaction of a coroutine under ``@once``: other tasks run on its thread while it is open."""


#: The blocks that stand around the code that runs now.
AROUND: Final[ContextVar[tuple[CoroutineBlock, ...]]] = ContextVar("django_dist_once", default=())


def is_of_caller(connection: BaseDatabaseWrapper) -> bool:
    """Return whether a transaction is open that code of the caller has opened.

    That of a TestCase is none: the test would pass, and the same code fail in service.
    """
    return any(not block._from_testcase for block in connection.atomic_blocks)  # type: ignore[attr-defined]


def is_of_another_task(connection: BaseDatabaseWrapper) -> bool:
    """Return whether a block of another task is open on this thread's connection."""
    around = AROUND.get()
    return any(isinstance(block, CoroutineBlock) and block not in around for block in connection.atomic_blocks)
