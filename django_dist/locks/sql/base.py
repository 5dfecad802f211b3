"""What is the same on every database: a row a name, changed under its fence."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from ...models import StoredLock
from ..base import MOST_HOLDERS, Tried

TABLE = StoredLock._meta.db_table
#: Seconds that a lock is kept after its end. A new row's fence is the clock; so it passes that of a purged one,
#: unless the clock goes back by more than this.
KEPT_S = 86400


class Plan(ABC):
    """The statements of one database. A plan keeps nothing: all threads share it."""

    now: ClassVar[str]
    micros: ClassVar[str]  # since 1970
    ahead: ClassVar[str]  # the time %s seconds from now
    since: ClassVar[str]  # seconds from {} until now
    unhurried: ClassVar[str] = ""  # added to a release, whose loss in a crash is made good by the end of the lease
    purge: ClassVar[str]  # {condition}, then the number of rows

    def __init__(self) -> None:
        left, age = f"-({self.since.format('expires_at')})", self.since.format("taken_at")
        mine = f"digest = %s AND owner = %s AND fence = %s AND expires_at > {self.now}"
        freed = f"UPDATE {TABLE} SET owner = NULL, expires_at = {self.now} WHERE digest = %s"
        # digest
        self.left = f"SELECT {left} FROM {TABLE} WHERE digest = %s"
        # digest, fence; digest, owner
        self.release, self.abandon = f"{freed} AND fence = %s{self.unhurried}", f"{freed} AND owner = %s"
        # ttl, digest, owner, fence
        self.extend = f"UPDATE {TABLE} SET expires_at = {self.ahead} WHERE {mine}"
        # digest, owner, fence
        self.check = f"SELECT 1 FROM {TABLE} WHERE {mine}"
        # digest
        self.break_lock = (
            f"UPDATE {TABLE} SET owner = NULL, fence = fence + 1, expires_at = {self.now} "
            f"WHERE digest = %s AND owner IS NOT NULL AND expires_at > {self.now}"
        )
        self.holders = (
            f"SELECT name, owner, fence, {age}, {left} FROM {TABLE} "
            f"WHERE owner IS NOT NULL AND expires_at > {self.now} ORDER BY name LIMIT {MOST_HOLDERS}"
        )
        over = f"{self.since.format('expires_at')} > {KEPT_S} AND fence < {self.micros}"
        self.expired = f"SELECT count(*) FROM {TABLE} WHERE {over}"
        self.purge_some = self.purge.format(condition=over)

    @abstractmethod
    def acquire(self, cursor: CursorWrapper, digest: Any, name: bytes, owner: str, ttl: float) -> Tried:
        """Insert or take the row, unless another's lease lasts; a fence is the clock, and more than the last."""

    def run(self, cursor: CursorWrapper, sql: str, values: list[Any]) -> int:
        """Send one of what each lock sends; return how many rows it has changed or found."""
        cursor.execute(sql, values)
        found: int = cursor.rowcount
        return found

    def is_busy(self, error: DatabaseError) -> bool:
        """Return whether ``error`` says that somebody else is at the row just now."""
        return False

    def serves(self, connection: BaseDatabaseWrapper) -> bool:
        """Return whether this thread's connection will do: what is written on it is seen by others at once.

        In a transaction it is not, and a lock would last or go with it. That of a test case will do.
        """
        if any(block._from_testcase for block in connection.atomic_blocks):  # type: ignore[attr-defined]
            return True
        return not connection.in_atomic_block and connection.get_autocommit()
