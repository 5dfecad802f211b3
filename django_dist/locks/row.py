"""Row locks: SELECT ... FOR UPDATE, of rows that are there, found by an index.

On MariaDB and MySQL a search without an index locks every row that it reads, those of others, too; and a row that is
not there is no lock: two sessions "hold" it, and neither can insert it.
Source: MariaDB's and MySQL's documentation, "InnoDB locking".
"""

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import cache
from types import TracebackType
from typing import Any, Final, TypeVar

from django.db import OperationalError, connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.expressions import Col

from ..exceptions import LocksTable, LockTimeout, OutsideAtomic

Row = TypeVar("Row", bound=models.Model)
#: Lookups that go by an index, if it begins with their column.
INDEXED: Final = ("exact", "in", "gt", "gte", "lt", "lte", "range")
WHOLE: Final = ("ALL", "index")  # what EXPLAIN calls the reading of a whole table
BUSY: Final = frozenset(("55P03", 1205, 3572))  # PostgreSQL; MariaDB and MySQL; MySQL with NOWAIT


def lock_rows(
    rows: "models.QuerySet[Row]", *, wait: float | None = None, skip_locked: bool = False, strict: bool = False
) -> list[Row]:
    """Lock ``rows`` for this transaction and return them, as they are now, in the order of their primary keys.

    ``wait`` is how many seconds to wait for who has locked one, on MariaDB and MySQL in whole ones; 0 does not wait,
    None leaves it to the server. ``skip_locked`` leaves out those that others have locked. ``strict`` asks MariaDB
    and MySQL by EXPLAIN, too, whether they use the index: they read a small table as a whole.

    Raises OutsideAtomic outside of atomic(); LocksTable, on MariaDB and MySQL, for a filter that no index serves;
    LockTimeout; DoesNotExist where a row is not there: insert it first, in a transaction of its own. On SQLite, which
    has one writer at a time, the database is locked.
    """
    connection = connections[rows.db]
    if not connection.in_atomic_block:
        raise OutsideAtomic(f"lock_rows() outside of atomic(using={rows.db!r}) would lock nothing")
    chosen = rows.order_by("pk").select_for_update(
        nowait=wait == 0 and connection.features.has_select_for_update_nowait,
        skip_locked=skip_locked and connection.features.has_select_for_update_skip_locked,
        of=("self",) if connection.features.has_select_for_update_of else (),
    )
    if connection.vendor == "mysql":
        _require_index(chosen, connection, strict=strict)
    with _told(rows.model), _BOUNDS[connection.vendor](connection, wait, rows.model._meta.db_table):
        found = list(chosen)
    if not skip_locked:
        _require_all(rows, found)
    return found


class RowLock:
    """A transaction that holds rows: ``with RowLock(Account.objects.filter(pk=7), wait=5) as [account]:``.

    Inside of another one it is a part of that, and the rows stay locked until the outermost ends. For the arguments
    and errors see lock_rows().
    """

    def __init__(self, rows: "models.QuerySet[Any]", **options: Any) -> None:
        self._rows, self._options = rows, options
        self._stack = ExitStack()

    def __enter__(self) -> list[Any]:
        """Begin the transaction, lock the rows and return them."""
        connection = connections[self._rows.db]
        begins = connection.vendor == "sqlite" and not connection.in_atomic_block  # which may wait already
        hurry = _hurry(connection, self._options.get("wait")) if begins else nullcontext()
        with ExitStack() as stack, _told(self._rows.model), hurry:
            stack.enter_context(transaction.atomic(using=connection.alias))
            found = lock_rows(self._rows, **self._options)
            self._stack = stack.pop_all()
        return found

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commit, or roll back."""
        self._stack.__exit__(kind, error, trace)


def _require_all(rows: "models.QuerySet[Any]", found: list[Any]) -> None:
    """Raise DoesNotExist where a row that was asked for by its key is not there, or none is."""
    model: Any = rows.model
    asked = 1
    for lookup in _lookups(rows):
        if lookup.lookup_name == "in" and lookup.lhs.target.unique and isinstance(lookup.rhs, (list, tuple, set)):
            asked = max(asked, len(set(lookup.rhs)))
    if len(found) < asked:
        raise model.DoesNotExist(
            f"{asked - len(found)} of {asked} rows of {model._meta.label} are not there, and cannot be locked: insert "
            "them first, in a transaction of their own"
        )


def _lookups(rows: "models.QuerySet[Any]") -> list[Any]:
    """Return the conditions on columns of the model itself that all must hold."""
    where = rows.query.where
    if where.connector != "AND" or where.negated:
        return []
    table = rows.query.get_initial_alias()
    return [
        each
        for each in where.children
        if isinstance(getattr(each, "lhs", None), Col) and each.lhs.alias == table  # type: ignore[union-attr]
    ]


def _require_index(rows: "models.QuerySet[Any]", connection: BaseDatabaseWrapper, *, strict: bool) -> None:
    """Raise LocksTable where the rows are found by no index."""
    table = rows.model._meta.db_table
    columns = {each.lhs.target.column for each in _lookups(rows) if each.lookup_name in INDEXED}
    served, whole = columns & _first_columns(connection.alias, str(connection.settings_dict["NAME"]), table), False
    if served and strict:
        with connection.cursor() as cursor:
            sql, params = rows.query.get_compiler(connection.alias).as_sql()
            cursor.execute(f"EXPLAIN {sql}", params)
            names = [column[0] for column in cursor.description]
            whole = any(dict(zip(names, row, strict=True))["type"] in WHOLE for row in cursor.fetchall())
    if not served or whole:
        why = "is served by no index" if not served else "reads the whole table, though an index would serve"
        raise LocksTable(
            f"a filter on {sorted(columns) or 'nothing that an index serves'} {why}: all rows of {table} would be "
            "locked; filter by the primary key, or give the field an index",
            name=table,
        )


@cache
def _first_columns(alias: str, database: str, table: str) -> frozenset[str]:
    """Return the columns that an index of ``table`` begins with, as the database had them when it was first asked."""
    connection = connections[alias]
    with connection.cursor() as cursor:
        indexes = connection.introspection.get_constraints(cursor, table).values()
    return frozenset(each["columns"][0] for each in indexes if each["columns"] and (each["index"] or each["unique"]))


@contextmanager
def _told(model: Any) -> Iterator[None]:
    """Raise LockTimeout where the rows stayed with others."""
    try:
        yield
    except OperationalError as error:
        cause: Any = error.__cause__
        # SQLite tells it by the text alone.
        codes = {getattr(cause, "sqlstate", None), *error.args[:1]}
        if codes & BUSY or "is locked" in str(error):
            label = model._meta.label
            raise LockTimeout(f"rows of {label} are locked by another transaction", name=label) from error
        raise


@contextmanager
def _on_postgresql(connection: BaseDatabaseWrapper, wait: float | None, table: str) -> Iterator[None]:
    """A savepoint, so that the transaction goes on after what was too late."""
    if wait is None:
        yield
        return
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        before = None
        if wait:
            cursor.execute("SELECT current_setting('lock_timeout'), set_config('lock_timeout', %s, true)", [_ms(wait)])
            before = cursor.fetchone()[0]
        yield
        if before is not None:
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [before])


@contextmanager
def _on_mysql(connection: BaseDatabaseWrapper, wait: float | None, table: str) -> Iterator[None]:
    if not wait:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@innodb_lock_wait_timeout")
        (before,) = cursor.fetchone()
        cursor.execute("SET SESSION innodb_lock_wait_timeout = %s", [math.ceil(wait)])
        try:
            yield
        finally:
            cursor.execute("SET SESSION innodb_lock_wait_timeout = %s", [before])


@contextmanager
def _on_sqlite(connection: BaseDatabaseWrapper, wait: float | None, table: str) -> Iterator[None]:
    """Become the one writer."""
    with _hurry(connection, wait), connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {connection.ops.quote_name(table)} WHERE 0")
        yield


@contextmanager
def _hurry(connection: BaseDatabaseWrapper, wait: float | None) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA busy_timeout")
        (before,) = cursor.fetchone()
        if wait is not None:
            cursor.execute(f"PRAGMA busy_timeout = {round(wait * 1000)}")
        try:
            yield
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {before}")


def _ms(seconds: float) -> str:
    return f"{max(1, round(seconds * 1000))}ms"


_BOUNDS: Final = {"postgresql": _on_postgresql, "mysql": _on_mysql, "sqlite": _on_sqlite}
