"""Statements that PostgreSQL has parsed and planned once a session: PREPARE by name, then EXECUTE.

Parsing and planning a change of one row takes longer than running it. Not behind a pooler, which
lends a session out for one transaction: it is known by the session's pid, and nothing is prepared.
Somebody may discard what was prepared: in a transaction of the caller's it is executed under a savepoint, which
travels along, so that the statement can be sent again in full.
Source: PostgreSQL's documentation, "PREPARE", and its protocol, "BackendKeyData".
"""

import hashlib
from collections.abc import Sequence
from itertools import count
from typing import Any, Final
from weakref import WeakKeyDictionary

import psycopg
from django.db import DatabaseError
from django.db.backends.utils import CursorWrapper

from .begin import is_to_begin, may_join, own_begin

#: Calls of a session before it is worth the while; a connection a request (CONN_MAX_AGE 0) never comes to it.
FIRST: Final = 5
#: Calls until a session that has nothing prepared asks again.
AGAIN: Final = 100
#: Calls until what is prepared is planned anew: a plan is kept while the table that it was made for grows.
RENEWED: Final = 1000
#: Bytes. On a smaller table the plan might be to read it all: eight pages cost as much as the way through the index.
LARGE_BYTES: Final = 12 * 8192
#: Somebody has discarded what was prepared, or has prepared it, or a column has another type since.
STALE: Final = (
    psycopg.errors.InvalidSqlStatementName,
    psycopg.errors.DuplicatePreparedStatement,
    psycopg.errors.FeatureNotSupported,
)
Connection = psycopg.Connection[Any]


class _Session:
    """What one session has prepared, and how many calls it makes until it asks."""

    def __init__(self) -> None:
        self.calls_left = FIRST
        self.due = self.named = self.uses = self.never = False


class PreparedStatements:
    """Statements on ``table`` and how far each session is with them; a session is used by one thread at a time."""

    def __init__(self, table: str, *, of_any_size: bool = False, **statements: str) -> None:
        self._of_any_size = of_any_size  # the statements go by an index whatever the table is
        names = {sql: _name(what, sql) for what, sql in statements.items()}
        self._forms = {sql: f"EXECUTE {name}({', '.join(['%s'] * sql.count('%s'))})" for sql, name in names.items()}
        self._prepare = [f"PREPARE {name} AS {_numbered(sql)}" for sql, name in names.items()]
        self._discard = [f"DEALLOCATE {name}" for name in names.values()]
        self._ask = [f"SELECT pg_backend_pid(), pg_relation_size('{table}')"]
        self._sessions: WeakKeyDictionary[Connection, _Session] = WeakKeyDictionary()

    def row(self, cursor: CursorWrapper, sql: str, values: list[Any], savepoint: str = "") -> Any:
        """Run ``sql``, one of the statements, in one round trip; return its first row, or None.

        ``savepoint`` is what to call one, where a transaction is open that must outlive an error here; BEGIN
        takes its place where the transaction has yet to begin. Without it nothing is prepared in a transaction.
        """
        session = cursor.db.connection
        if not may_join(cursor.db) or not (savepoint or session.autocommit):
            cursor.execute(sql, values)
            return cursor.fetchone() if cursor.description else None
        escort = self.escort(session)
        if savepoint and is_to_begin(cursor.db):
            with own_begin(cursor.db):
                return self._row(cursor, sql, values, escort, ["BEGIN"], ["ROLLBACK", "BEGIN"])
        if savepoint and (escort or self._uses(session)):
            undo, release = f"ROLLBACK TO SAVEPOINT {savepoint}", f"RELEASE SAVEPOINT {savepoint}"
            return self._row(cursor, sql, values, escort, [f"SAVEPOINT {savepoint}"], [undo, release], [release])
        return self._row(cursor, sql, values, escort)

    def _row(
        self,
        cursor: CursorWrapper,
        sql: str,
        values: list[Any],
        escort: list[str],
        before: Sequence[str] = (),
        undo: Sequence[str] = (),
        after: Sequence[str] = (),
    ) -> Any:
        """See row(); ``undo`` is what stands before another try, where what was prepared has been discarded."""
        session = cursor.db.connection
        try:
            rows = self.send(cursor, [*before, *escort, sql, *after], values)
        except DatabaseError as error:
            if not self.is_stale(session, error.__cause__):
                raise
            return self.send(cursor, [*undo, sql], values)[-1]
        if escort:
            self.note(session, escort, rows[len(before) :])
        return rows[len(before) + len(escort)]

    def send(self, cursor: CursorWrapper, texts: list[str], values: list[Any]) -> list[Any]:
        """Run ``texts`` in one round trip, as they are prepared; return the first row of each, or None."""
        text, plain = "; ".join(texts), False
        if self._uses(cursor.db.connection):
            text = "; ".join([self._forms.get(text, text) for text in texts])
            plain = all(type(value) is int for value in values)
        # Numbers need no quotes, and the driver takes long over them.
        cursor.execute(text % tuple(values) if plain else text, None if plain else values)
        results = cursor.cursor  # psycopg's own: what has arrived needs no wrapper that awaits errors
        rows = [results.fetchone() if results.pgresult.nfields else None]
        for _ in texts[1:]:
            results.nextset()
            rows.append(results.fetchone() if results.pgresult.nfields else None)
        return rows

    def _uses(self, connection: Connection) -> bool:
        session = self._sessions.get(connection)
        return session is not None and session.uses

    def escort(self, connection: Connection) -> list[str]:
        """Count a call; return what is to travel with it: nothing, a question, or what prepares."""
        session = self._sessions.get(connection)
        if session is None:
            session = self._sessions[connection] = _Session()
        session.calls_left -= 1
        if session.due:
            return [*(self._discard if session.named else []), *self._prepare]
        return [] if session.never or session.calls_left > 0 else self._ask

    def note(self, connection: Connection, escort: list[str], rows: list[Any]) -> None:
        """Note that ``escort`` went through with ``rows`` for answers."""
        session = self._sessions[connection]
        if escort == self._ask:
            pid, size_bytes = rows[0]
            session.never = pid != connection.pgconn.backend_pid
            session.due = (self._of_any_size or size_bytes >= LARGE_BYTES) and not session.never
            session.uses = session.uses and session.due
            session.calls_left = AGAIN
        elif escort:
            session.due, session.named, session.uses, session.calls_left = False, True, True, RENEWED

    def is_stale(self, connection: Connection, error: BaseException | None) -> bool:
        """Return whether ``error`` is about what is prepared; from then on the session goes without."""
        session = self._sessions.get(connection)
        if session is None or not (session.due or session.uses) or not isinstance(error, STALE):
            return False
        session.due, session.uses, session.never = False, False, True
        return True


def _name(what: str, sql: str) -> str:
    """Return a name that stands for this very text, whatever other version of this code meets in the session."""
    return f"django_dist_{what}_{hashlib.sha256(sql.encode()).hexdigest()[:12]}"


def _numbered(sql: str) -> str:
    first, *others = sql.split("%s")
    numbers = count(1)
    return first + "".join(f"${next(numbers)}{other}" for other in others)
