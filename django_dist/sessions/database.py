"""``SESSION_ENGINE = "django_dist.sessions.database"``: sessions in a table that every node sees.

Not safe against who writes to that table and has SECRET_KEY.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any, Final, TypeVar
from uuid import UUID

from django.db import (
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    connections,
    router,
    transaction,
)
from django.db.models import DurationField, ExpressionWrapper, F

from ..clock import StoreNow
from ..concurrency.retry import CONFLICTS
from ..concurrency.stale import code_of
from ..exceptions import SessionLimitReached, SessionStoreUnavailable
from ..idempotency.digests import digest_of
from ..idempotency.sql.base import stored as as_parameter
from ..models import StoredSession, Sweep
from .device import Device
from .options import options
from .place import Listed, ReplicaPlace, Row, Stored, Whole
from .sealing import unseal
from .sql import TABLE, Statements
from .store import MOST_TRIES, DistSession

Result = TypeVar("Result")
statements = cache(Statements)
LOST: Final = (OperationalError, InterfaceError, InternalError)
SLOTS: Final = 256  # so few that nobody sees from them who has logged in, and logins seldom wait for others'


class DatabaseSessions(ReplicaPlace):
    """Sessions as rows; each write is one conditional statement, which commits by itself outside of a transaction."""

    def __init__(self, database: str | None = None) -> None:
        self._database = database  # an alias of DATABASES; None is that of the options
        self._sweep = Sweep()

    @property
    def database(self) -> str:
        """The alias of the database that is written to."""
        return self._database or options().database or router.db_for_write(StoredSession)

    def read(self, digest: UUID) -> Stored | None:
        """See SessionPlace.read(). What a replica does not have yet, or cannot say, is asked of the primary."""
        primary, found = self.database, None
        replica = router.db_for_read(StoredSession) if options().replica_reads else primary
        if replica != primary:
            with suppress(SessionStoreUnavailable):
                found = self._read(replica, "read", digest)
        return self._read(primary, "read", digest) if found is None else found

    def read_newest(self, digest: UUID) -> Stored | None:
        """See SessionPlace.read_newest()."""
        return self._read(self.database, "read_newest", digest)

    def _read(self, alias: str, name: str, digest: UUID) -> Stored | None:
        row, _ = self._run(alias, name, [digest])
        return None if row is None else Stored(row[0], bytes(row[1]), float(row[2]), float(row[3]))

    def insert(self, digest: UUID, row: Row) -> bool:
        """See SessionPlace.insert()."""
        try:
            values = (digest, row.data, row.user, row.ttl, *row.device)
            return self._admitted(digest, row, lambda: self._write("insert", *values))
        except IntegrityError:
            return False

    def update(self, digest: UUID, version: int, row: Row) -> bool:
        """See SessionPlace.update()."""
        name, values = "enter" if row.enters else "update", (row.data, row.user, row.ttl, *row.device, digest, version)
        return self._admitted(digest, row, lambda: self._write(name, *values))

    def rename(self, digest: UUID, version: int, row: Row, new: UUID) -> bool:
        """See SessionPlace.rename()."""
        values = (new, row.data, row.user, row.ttl, *row.device, digest, version)
        name = "rename_entering" if row.enters else "rename"
        return self._admitted(digest, row, lambda: self._write(name, *values))

    def touch(self, digest: UUID, ttl: float, device: Device) -> None:
        """See SessionPlace.touch()."""
        self._write("touch", ttl, *device, digest)

    def delete(self, digest: UUID, user: str | None = None) -> bool:
        """See SessionPlace.delete()."""
        if user is None:
            return self._write("delete", digest) == 1
        return self._write("delete_of", digest, user) == 1

    def listed(self, user: str) -> list[Listed]:
        """See SessionPlace.listed()."""
        lived = ExpressionWrapper(StoreNow() - F("created_at"), output_field=DurationField())
        rows = StoredSession.objects.using(self.database).filter(user_id=user, expires_at__gt=StoreNow())
        columns = ("digest", "created_at", "seen_at", "expires_at", "ip", "agent", "lived")
        with self._told(self.database):
            found = list(rows.annotate(lived=lived).order_by("-seen_at", "digest").values_list(*columns))
        return [
            Listed(digest, created, seen, end, lived.total_seconds(), Device(ip, agent))
            for digest, created, seen, end, ip, agent, lived in found
        ]

    def delete_all(self, user: str, but: UUID | None) -> int:
        """See SessionPlace.delete_all()."""

        def deleted() -> int:
            with self._turn(user):
                return self._write("delete_others", user, but or UUID(int=0))

        return self._without_deadlock(deleted)

    # -- as one of several --

    def put(self, digest: UUID, version: int, row: Row) -> bool:
        """See ReplicaPlace.put(). Another store may put its copy between the statements, hence the second try."""
        rest = (row.user, -row.lived, row.ttl, *row.device)
        over = (version, row.data, *rest, digest, version, version, row.data, row.data, row.ttl)
        tries = [("put_over", over), ("put_new", (digest, version, row.data, *rest)), ("put_over", over)]
        for name, values in tries[1 if version == 1 else 0 :]:
            with suppress(IntegrityError):
                if self._write(name, *values) == 1:
                    return True
        return False

    def whole(self, digest: UUID) -> Whole | None:
        """See ReplicaPlace.whole()."""
        row, _ = self._run(self.database, "whole", [digest])
        if row is None:
            return None
        version, data, user, left, lived, ip, agent = row
        return Whole(version, Row(bytes(data), user, float(left), float(lived), device=Device(ip, agent)))

    def noted(self, user: str, most: int) -> list[tuple[UUID, bytes]]:
        """See ReplicaPlace.noted()."""
        with self._told(self.database), connections[self.database].cursor() as cursor:
            cursor.execute(statements(cursor.db.vendor).noted, [user, most])
            return [(d if isinstance(d, UUID) else UUID(d), bytes(data)) for d, data in cursor.fetchall()]

    def epoch(self) -> str:
        """See ReplicaPlace.epoch(): a database forgets nothing that it has committed."""
        return ""

    # -- how many a user may have --

    def _admitted(self, digest: UUID, row: Row, write: Callable[[], int]) -> bool:
        """Write where the limit lets its user in, after those that it costs have ended."""
        most = options().max_per_user
        if most is None or row.user is None or not row.enters:
            return write() == 1
        return self._without_deadlock(lambda: self._enter(digest, row.user or "", most, write))

    def _enter(self, digest: UUID, user: str, most: int, write: Callable[[], int]) -> bool:
        with self._turn(user):
            others = self._others(user, digest)
            surplus = others[: max(0, len(others) - most + 1)]
            if surplus and options().on_max == "refuse":
                raise SessionLimitReached(f"the user has {most} sessions already; end one of them", limit=most)
            for oldest in surplus:
                self._write("delete", oldest)
            written = write() == 1
            if not written:
                transaction.set_rollback(True, using=self.database)
        return written

    def _without_deadlock(self, call: Callable[[], Result]) -> Result:
        """Return what ``call`` returns; anew where a deadlock was ended by its failure, if no transaction is open.

        Where several rows are locked a deadlock cannot be ruled out: a new key moves its row in the index of users.
        """
        tries = 1 if connections[self.database].in_atomic_block else MOST_TRIES
        for _ in range(tries - 1):
            try:
                return call()
            except SessionStoreUnavailable as error:
                if code_of(error.__cause__ or error) not in CONFLICTS:
                    raise
        return call()

    @contextmanager
    def _turn(self, user: str) -> Iterator[None]:
        """Let logins of ``user`` come one after the other, each in a transaction; nothing where there is no limit."""
        if options().max_per_user is None:
            yield
            return
        with self._told(self.database), transaction.atomic(using=self.database):
            self._write("latch", digest_of(["user", user]).int % SLOTS)
            yield

    def _others(self, user: str, digest: UUID) -> list[UUID]:
        """Return what else ``user`` has, the oldest first."""
        with self._told(self.database), connections[self.database].cursor() as cursor:
            cursor.execute(statements(cursor.db.vendor).others, [user, as_parameter(cursor.db, digest)])
            return [row[0] if isinstance(row[0], UUID) else UUID(row[0]) for row in cursor.fetchall()]

    def _write(self, name: str, *values: Any) -> int:
        return self._run(self.database, name, values)[1]

    def _run(self, alias: str, name: str, values: Sequence[Any]) -> tuple[Any, int]:
        """Send the statement ``name``; return its first row, or None, and the number of rows."""
        connection = connections[alias]
        parameters = [as_parameter(connection, v) if isinstance(v, UUID) else v for v in values]
        sql = getattr(statements(connection.vendor), name)
        try:
            with connection.cursor() as cursor:
                if connection.vendor == "postgresql":  # what each request sends is prepared
                    return _prepared().row(cursor, sql, parameters), cursor.rowcount
                cursor.execute(sql, parameters)
                return cursor.fetchone() if cursor.description else None, cursor.rowcount
        except LOST as error:
            raise _unavailable(alias, error) from error

    @contextmanager
    def _told(self, alias: str) -> Iterator[None]:
        try:
            yield
        except LOST as error:
            raise _unavailable(alias, error) from error

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
        removed: int = StoredSession.objects.using(self.database).expired().delete_oldest(batch, self._sweep)
        return removed


def _unavailable(alias: str, error: Exception) -> SessionStoreUnavailable:
    return SessionStoreUnavailable(f"database {alias!r} did not answer for a session: {error}")


@cache
def _prepared() -> Any:
    from ..prepared import PreparedStatements  # the one module here that needs psycopg

    sql = statements("postgresql")
    return PreparedStatements(TABLE, read=sql.read, insert=sql.insert, update=sql.update, touch=sql.touch)


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
