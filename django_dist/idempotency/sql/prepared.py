"""Statements that PostgreSQL has parsed and planned once a session: PREPARE by name, then EXECUTE.

Parsing and planning the look-up and the record takes longer than running them. Not behind a pooler,
which lends a session out for one transaction: it is known by the session's pid, and nothing is prepared.
Source: PostgreSQL's documentation, "PREPARE", and its protocol, "BackendKeyData".
"""

import hashlib
from collections.abc import Mapping
from itertools import count
from typing import Any, Final
from weakref import WeakKeyDictionary

import psycopg

#: Claims of a session before it is worth the while; a connection a request (CONN_MAX_AGE 0) never comes to it.
FIRST: Final = 5
#: Claims until a session that has nothing prepared asks again.
AGAIN: Final = 100
#: Claims until what is prepared is planned anew: a plan is kept while the table that it was made for grows.
RENEWED: Final = 1000
#: Bytes. On a smaller table the plan would be to read it all.
LARGE_BYTES: Final = 2**17
#: Somebody has discarded what was prepared, or has prepared it, or a column has another type since.
STALE: Final = (
    psycopg.errors.InvalidSqlStatementName,
    psycopg.errors.DuplicatePreparedStatement,
    psycopg.errors.FeatureNotSupported,
)
Connection = psycopg.Connection[Any]


class _Session:
    """What one session has prepared, and how many claims it makes until it asks."""

    def __init__(self) -> None:
        self.claims_left = FIRST
        self.due = self.named = self.uses = self.never = False


class PreparedStatements:
    """Statements on ``table`` and how far each session is with them; a session is used by one thread at a time."""

    def __init__(self, table: str, **statements: str) -> None:
        names = {sql: _name(what, sql) for what, sql in statements.items()}
        self._forms = {sql: f"EXECUTE {name}({', '.join(['%s'] * sql.count('%s'))})" for sql, name in names.items()}
        self._prepare = [f"PREPARE {name} AS {_numbered(sql)}" for sql, name in names.items()]
        self._discard = [f"DEALLOCATE {name}" for name in names.values()]
        self._ask = [f"SELECT pg_backend_pid(), pg_relation_size('{table}') >= {LARGE_BYTES}"]
        self._sessions: WeakKeyDictionary[Connection, _Session] = WeakKeyDictionary()

    def forms(self, connection: Connection) -> Mapping[str, str]:
        """Return what to send instead of a statement, where the session has it prepared."""
        session = self._sessions.get(connection)
        return self._forms if session is not None and session.uses else {}

    def escort(self, connection: Connection) -> list[str]:
        """Count a claim; return what is to travel with it: nothing, a question, or what prepares."""
        session = self._sessions.setdefault(connection, _Session())
        session.claims_left -= 1
        if session.due:
            return [*(self._discard if session.named else []), *self._prepare]
        return [] if session.never or session.claims_left > 0 else self._ask

    def note(self, connection: Connection, escort: list[str], rows: list[Any]) -> None:
        """Note that ``escort`` went through with ``rows`` for answers."""
        session = self._sessions[connection]
        if escort == self._ask:
            pid, large = rows[0]
            session.never = pid != connection.pgconn.backend_pid
            session.due = large and not session.never
            session.uses = session.uses and session.due
            session.claims_left = AGAIN
        elif escort:
            session.due, session.named, session.uses, session.claims_left = False, True, True, RENEWED

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
