"""``SESSION_ENGINE = "django_dist.sessions.database"``: sessions in a table that every node sees.

Not safe against who writes to that table and has SECRET_KEY.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any
from uuid import UUID

from django.db import IntegrityError, InterfaceError, InternalError, OperationalError, connections, router
from django.db.backends.utils import CursorWrapper

from ..exceptions import SessionStoreUnavailable
from ..idempotency.sql.base import stored as as_parameter
from ..models import StoredSession
from .options import options
from .place import Row, SessionPlace, Stored
from .sealing import unseal
from .sql import Statements
from .store import DistSession

statements = cache(Statements)


class DatabaseSessions(SessionPlace):
    """Sessions as rows; each write is one conditional statement, which commits by itself outside of a transaction."""

    @property
    def database(self) -> str:
        """The alias of the database that is written to."""
        return options().database or router.db_for_write(StoredSession)

    def read(self, digest: UUID) -> Stored | None:
        """See SessionPlace.read(). What a replica does not have yet is asked of the primary."""
        primary = self.database
        replica = options().database or router.db_for_read(StoredSession)
        found = None if replica == primary else self._read(replica, "read", digest)
        return self._read(primary, "read", digest) if found is None else found

    def read_newest(self, digest: UUID) -> Stored | None:
        """See SessionPlace.read_newest()."""
        return self._read(self.database, "read_newest", digest)

    def _read(self, alias: str, name: str, digest: UUID) -> Stored | None:
        with self._cursor(alias) as cursor:
            cursor.execute(getattr(statements(cursor.db.vendor), name), [as_parameter(cursor.db, digest)])
            row = cursor.fetchone()
        return None if row is None else Stored(row[0], bytes(row[1]), float(row[2]), float(row[3]))

    def insert(self, digest: UUID, row: Row) -> bool:
        """See SessionPlace.insert()."""
        try:
            return self._write("insert", digest, row.data, row.user, -row.lived, row.ttl) == 1
        except IntegrityError:
            return False

    def update(self, digest: UUID, version: int, row: Row) -> bool:
        """See SessionPlace.update()."""
        return self._write("update", row.data, row.user, row.ttl, digest, version) == 1

    def rename(self, digest: UUID, version: int, row: Row, new: UUID) -> bool:
        """See SessionPlace.rename()."""
        return self._write("rename", new, -row.lived, row.data, row.user, row.ttl, digest, version) == 1

    def touch(self, digest: UUID, ttl: float) -> None:
        """See SessionPlace.touch()."""
        self._write("touch", ttl, digest)

    def delete(self, digest: UUID) -> None:
        """See SessionPlace.delete()."""
        self._write("delete", digest)

    def _write(self, name: str, *values: Any) -> int:
        with self._cursor(self.database) as cursor:
            parameters: Sequence[Any] = [as_parameter(cursor.db, v) if isinstance(v, UUID) else v for v in values]
            cursor.execute(getattr(statements(cursor.db.vendor), name), parameters)
            count: int = cursor.rowcount
        return count

    @contextmanager
    def _cursor(self, alias: str) -> Iterator[CursorWrapper]:
        try:
            with connections[alias].cursor() as cursor:
                yield cursor
        except (OperationalError, InterfaceError, InternalError) as error:
            raise SessionStoreUnavailable(f"database {alias!r} did not answer for a session: {error}") from error

    @property
    def alias(self) -> str:
        """What dist_purge names it by."""
        return self.database

    def expired(self) -> int:
        """Return how many sessions are over."""
        count: int = StoredSession.objects.using(self.database).expired().count()
        return count

    def purge(self, batch: int) -> int:
        """See SessionPlace.purge()."""
        removed: int = StoredSession.objects.using(self.database).expired().delete_oldest(batch)
        return removed


class SessionStore(DistSession):
    """The engine."""

    place = DatabaseSessions()

    @classmethod
    def get_model_class(cls) -> type[StoredSession]:
        """Return the model of the table."""
        return StoredSession

    @classmethod
    def decoded(cls, row: StoredSession) -> dict[str, Any]:
        """Return the data of ``row``; empty where it was not stored there, or not by this site."""
        text = unseal(row.digest, bytes(row.data))
        return {} if text is None else cls().serializer().loads(text)
