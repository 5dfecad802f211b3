"""The SQL of a guarded change, built once for each model, field and database."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from django.db import connections, models
from django.db.backends.base.base import BaseDatabaseWrapper

from .amounts import guarded_field
from .field import version_field
from .running import Run, runner

#: How a sum is written: the column, the sign. SQLite computes decimals as floats, so each sum is rounded to its places.
PLAIN: Final = "{column} {sign} {value}"
ROUNDED: Final = "ROUND({column} {sign} CAST(%s AS REAL), {places})"


@dataclass(frozen=True)
class Guarded:
    """A guarded field in its table, and what to send to change it."""

    model: type[models.Model]
    field: "models.Field[Any, Any]"
    version: "models.Field[Any, Any] | None"  # the one in the same table
    versioned_apart: bool  # the version stands in another table of the same model
    take: str
    give: str
    look: str
    run: Run
    keys: tuple[str, ...]  # the attributes that hold the key
    amount: Callable[[Any], Any]
    prepare: tuple[Callable[[Any], Any], ...]
    read: Callable[[Any], Any]

    def key(self, pk: Any) -> list[Any]:
        """Return ``pk`` as the database takes it."""
        if len(self.prepare) == 1 and not isinstance(pk, tuple):
            return [self.prepare[0](pk)]
        parts = pk if isinstance(pk, tuple) else (pk,)
        return [prepare(part) for prepare, part in zip(self.prepare, parts, strict=True)]


@cache
def guarded(model: type[models.Model], name: str, using: str) -> Guarded:
    """Return the statements for the field ``name`` of ``model`` on the database ``using``."""
    field, connection = guarded_field(model, name), connections[using]
    version = version_field(model)
    here = version if version is not None and version.model is field.model else None
    keys = field.model._meta.pk_fields
    updates = {what: _update(connection, field, here, keys, sign) for what, sign in (("take", "-"), ("give", "+"))}
    return Guarded(
        model=model,
        field=field,
        version=here,
        versioned_apart=version is not None and here is None,
        **updates,
        look=_look(connection, field, keys),
        run=runner(connection, field.model._meta.db_table, **updates),
        keys=tuple(str(key.attname) for key in keys),
        amount=_preparing(field, connection),
        prepare=tuple(_preparing(key, connection) for key in keys),
        read=reading(field, connection),
    )


def _preparing(field: "models.Field[Any, Any]", connection: BaseDatabaseWrapper) -> Callable[[Any], Any]:
    def prepare(value: Any) -> Any:
        return field.get_db_prep_value(value, connection, prepared=False)

    if isinstance(field, models.IntegerField) and type(field).__module__ == "django.db.models.fields":
        return lambda value: value if type(value) is int else prepare(value)  # an int is taken as it is
    return prepare


def reading(field: "models.Field[Any, Any]", connection: BaseDatabaseWrapper) -> Callable[[Any], Any]:
    """Return what makes a value of the database one of ``field``."""
    column = field.get_col(field.model._meta.db_table)
    converters = [*connection.ops.get_db_converters(column), *column.get_db_converters(connection)]

    def read(value: Any) -> Any:
        for convert in converters:
            value = convert(value, column, connection)
        return value

    return read


def expression(connection: BaseDatabaseWrapper, field: "models.Field[Any, Any]", column: str, sign: str) -> str:
    """Return the sum of ``column`` and a parameter."""
    rounded = connection.vendor == "sqlite" and isinstance(field, models.DecimalField)
    return (ROUNDED if rounded else PLAIN).format(
        column=column, sign=sign, value=_value(connection, field), places=getattr(field, "decimal_places", None)
    )


def _value(connection: BaseDatabaseWrapper, field: "models.Field[Any, Any]") -> str:
    """Return a parameter; what PostgreSQL prepares would else have the column's type, and fail for a greater number."""
    while isinstance(field, models.ForeignKey):  # the key of a child is that of its parent
        field = field.target_field
    return "%s::bigint" if connection.vendor == "postgresql" and isinstance(field, models.IntegerField) else "%s"


def _update(
    connection: BaseDatabaseWrapper,
    field: "models.Field[Any, Any]",
    version: "models.Field[Any, Any] | None",
    keys: Sequence["models.Field[Any, Any]"],
    sign: str,
) -> str:
    quote = connection.ops.quote_name
    column, table = quote(str(field.column)), quote(field.model._meta.db_table)
    value = expression(connection, field, column, sign)
    if connection.vendor == "mysql" and version is None and not isinstance(field, models.DecimalField):
        value = f"CAST(LAST_INSERT_ID({value}) AS SIGNED)"  # comes back with the count of rows
    sets, returned = [f"{column} = {value}"], [column]
    if version is not None:
        sets.append(f"{quote(str(version.column))} = {quote(str(version.column))} + 1")
        returned.append(quote(str(version.column)))
    limit = f"{column} {'>=' if sign == '-' else '<='} {_value(connection, field)}"
    where = " AND ".join([*(f"{quote(str(key.column))} = {_value(connection, key)}" for key in keys), limit])
    returning = "" if connection.vendor == "mysql" else f" RETURNING {', '.join(returned)}"
    return f"UPDATE {table} SET {', '.join(sets)} WHERE {where}{returning}"


def _look(
    connection: BaseDatabaseWrapper, field: "models.Field[Any, Any]", keys: Sequence["models.Field[Any, Any]"]
) -> str:
    quote = connection.ops.quote_name
    version = version_field(field.model)
    columns = [quote(str(each.column)) for each in (field, version) if each is not None and each.model is field.model]
    where = " AND ".join(f"{quote(str(key.column))} = %s" for key in keys)
    return f"SELECT {', '.join(columns)} FROM {quote(field.model._meta.db_table)} WHERE {where}"
