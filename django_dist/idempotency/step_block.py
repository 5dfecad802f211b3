"""Where a step runs and its result is written: in a database one transaction, so that both last, or neither."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

from django.db import InterfaceError, OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.transaction import atomic

from ..exceptions import BackendUnavailable

LOST = (OperationalError, InterfaceError)  # what drivers raise when the server is not there


def may_be_undone(connection: BaseDatabaseWrapper) -> bool:
    """Return whether what is written now is in a transaction; that of a test case is none."""
    if connection.in_atomic_block:
        return any(not block._from_testcase for block in connection.atomic_blocks)  # type: ignore[attr-defined]
    return connection.connection is not None and not connection.autocommit


class StepBlock:
    """The block of one step. Here it is none: the result is written by itself."""

    lasts = False  # whether the result is known to be written for good

    def __enter__(self) -> "StepBlock":
        return self

    def returned(self) -> None:
        """To be called between the step's function and its result."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lasts = error is None


class DatabaseStepBlock(StepBlock):
    """A transaction that takes no lock before the function writes: others write while a bank is called."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection
        self._block = atomic(using=connection.alias)

    def __enter__(self) -> "DatabaseStepBlock":
        with _deferred(self._connection):
            self._block.__enter__()
        if self._alone:  # in a test case it would be taken for a hook of the view's
            self._connection.on_commit(self._note_commit)
        self._changes = self._changed()
        return self

    @property
    def _alone(self) -> bool:
        return len(self._connection.atomic_blocks) == 1

    def _note_commit(self) -> None:
        self.lasts = True

    def _changed(self) -> int:
        """Return how many rows this connection has ever written, on SQLite."""
        driver = self._connection.connection
        return int(driver.total_changes) if self._connection.vendor == "sqlite" and driver is not None else 0

    def returned(self) -> None:
        """On SQLite begin anew after a function that has only read: what others wrote since would refuse the result."""
        if self._connection.vendor == "sqlite" and self._alone and self._changed() == self._changes:
            with self._connection.cursor() as cursor:
                cursor.execute("COMMIT")
                cursor.execute("BEGIN IMMEDIATE")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._block.__exit__(kind, error, trace)
        except LOST as failure:
            if self.lasts:
                raise  # an on_commit hook of the step's, after all is done
            message = f"database {self._connection.alias!r} was lost while it committed a step: {failure}"
            raise BackendUnavailable(message, committing=True) from failure
        self.lasts = error is None


@contextmanager
def _deferred(connection: BaseDatabaseWrapper) -> Iterator[None]:
    if connection.vendor != "sqlite":
        yield
        return
    usual = getattr(connection, "transaction_mode", None)
    connection.transaction_mode = "DEFERRED"  # type: ignore[attr-defined]
    try:
        yield
    finally:
        connection.transaction_mode = usual  # type: ignore[attr-defined]
