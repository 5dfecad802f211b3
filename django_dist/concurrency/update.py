"""The UPDATE of a versioned save, built once for a model and the fields that are saved.

Django compiles it anew for each save, which takes longer than all else that a version costs. What needs its compiler,
such as an expression for a value, is left to it.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any, TypeAlias

from django.db import connections, models
from django.db.models.query import QuerySet

from .field import VersionField

Field: TypeAlias = "models.Field[Any, Any]"
Values: TypeAlias = Sequence[tuple[Field, Any, Any]]


def is_plain(rows: "QuerySet[Any]", values: Values, returning: Sequence[Any]) -> bool:
    """Return whether ``values`` can be written by a statement that is known."""
    return not (
        any(returning)
        or rows.query.where
        or type(rows)._update is not QuerySet._update  # type: ignore[attr-defined]
        or rows.model._meta.select_on_save
        or getattr(rows.model, "is_fenced", False)  # asks for more than the version
        or any(_is_compiled(field, value) for field, _, value in values)
    )


def _is_compiled(field: Field, value: Any) -> bool:
    return (
        hasattr(value, "resolve_expression")
        or hasattr(value, "prepare_database_save")
        or hasattr(field, "get_placeholder")
    )


def update(version: VersionField, using: str, pk: Any, values: Values, expected: int) -> bool:
    """Write ``values`` and the next version to the row, if it has the version ``expected``; return whether it had."""
    connection, model = connections[using], version.model
    sql = _statement(model, tuple(field for field, _, _ in values), version, using)
    keys = zip(model._meta.pk_fields, pk if isinstance(pk, tuple) else (pk,), strict=True)
    parameters = [field.get_db_prep_save(value, connection) for field, _, value in values]
    parameters += [expected + 1, expected]
    parameters += [key.get_db_prep_value(key.get_prep_value(value), connection, prepared=True) for key, value in keys]
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        changed: int = cursor.rowcount
    return changed > 0


@cache
def _statement(model: type[models.Model], fields: tuple[Field, ...], version: VersionField, using: str) -> str:
    quote = connections[using].ops.quote_name
    sets = ", ".join(f"{quote(str(field.column))} = %s" for field in (*fields, version))
    where = " AND ".join(f"{quote(str(field.column))} = %s" for field in (version, *model._meta.pk_fields))
    return f"UPDATE {quote(model._meta.db_table)} SET {sets} WHERE {where}"
