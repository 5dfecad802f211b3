"""One guarded change of one row: one statement where the database returns what it wrote."""

from collections.abc import Sequence
from typing import Any, cast

from django.db import connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F

from .amounts import Number, checked, greatest
from .field import version_field
from .short import Short
from .statements import Guarded


def limit_of(plan: Guarded, sign: str, amount: Number, limit: Any, using: str) -> Number:
    """Return the bound that a row must keep to before ``amount`` is taken (-) or given (+)."""
    if sign == "-":
        return checked(plan.field, limit, "floor", positive=False) + amount
    highest = greatest(plan.field, connections[using])
    if limit is not None:
        highest = min(highest, checked(plan.field, limit, "ceiling", positive=False))
    return highest - amount


def change(plan: Guarded, sign: str, pk: Any, amount: Number, bound: Number, using: str) -> tuple[Any, Any] | None:
    """Change one row by ``amount``; return its new value and version, or None if it was left alone."""
    connection = connections[using]
    if plan.versioned_apart:
        return _change_two_tables(plan, sign, pk, amount, bound, using)
    if connection.vendor == "mysql" and "LAST_INSERT_ID" not in plan.take:
        with transaction.atomic(using, savepoint=False):
            row = _execute(plan, sign, pk, amount, bound, connection)
            return None if row is None else _read(plan, look(plan, pk, connection))
    return _read(plan, _execute(plan, sign, pk, amount, bound, connection))


def _read(plan: Guarded, row: Sequence[Any] | None) -> tuple[Any, Any] | None:
    return None if row is None else (plan.read(row[0]), row[1] if len(row) > 1 else None)


def _execute(
    plan: Guarded, sign: str, pk: Any, amount: Number, bound: Number, connection: BaseDatabaseWrapper
) -> Sequence[Any] | None:
    sql = plan.take if sign == "-" else plan.give
    with connection.cursor() as cursor:
        return plan.run(cursor, sql, [plan.amount(amount), *plan.key(pk), plan.amount(bound)])


def _change_two_tables(
    plan: Guarded, sign: str, pk: Any, amount: Number, bound: Number, using: str
) -> tuple[Any, Any] | None:
    """See change(); where the version stands in the table of another model of the inheritance."""
    version = cast("models.Field[Any, Any]", version_field(plan.model))
    with transaction.atomic(using, savepoint=False):
        row = _execute(plan, sign, pk, amount, bound, connections[using])
        if row is None:
            return None
        if connections[using].vendor == "mysql":
            row = look(plan, pk, connections[using])
        owners = version.model._base_manager.using(using).filter(pk=pk)
        models.QuerySet.update(owners, **{version.attname: F(version.attname) + 1})
        return plan.read((row or [None])[0]), owners.values_list(version.attname, flat=True).get()


def look(plan: Guarded, pk: Any, connection: BaseDatabaseWrapper) -> Sequence[Any] | None:
    """Return what the row holds; inside a transaction on MySQL what is committed, not what its snapshot shows."""
    locking = " FOR UPDATE" if connection.vendor == "mysql" and connection.in_atomic_block else ""
    with connection.cursor() as cursor:
        cursor.execute(plan.look + locking, plan.key(pk))
        row: Sequence[Any] | None = cursor.fetchone()
        return row


def short_of(plan: Guarded, pk: Any, amount: Number, using: str) -> Short:
    """Return why the row ``pk`` was left alone."""
    row = look(plan, pk, connections[using])
    has = None if row is None else plan.read(row[0])
    return Short(pk=pk, field=plan.field.name, wanted=amount, has=has, missing=row is None)
