"""Take from many rows or give to them: all or none, and no deadlock, since all lock in the order of the keys."""

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

from asgiref.sync import sync_to_async
from django.db import connections, models, router, transaction

from ..exceptions import GuardFailed
from .amounts import Number, checked
from .change import change, limit_of, short_of
from .short import Short
from .statements import Guarded, guarded

#: Keys, amounts, the limit. The rows are locked in the order of their keys before the first of them is written.
POSTGRESQL: Final = """
WITH wanted (pk, amount) AS (SELECT * FROM unnest(%s::{pk_type}[], %s::{type}[])),
  locked AS (SELECT t.{pk} AS pk, t.{column} AS has, wanted.amount FROM {table} t JOIN wanted ON t.{pk} = wanted.pk
    ORDER BY t.{pk} FOR UPDATE OF t),
  fit AS (SELECT count(*) = (SELECT count(*) FROM wanted) AND bool_and(coalesce({guard}, false)) AS all_rows
    FROM locked),
  done AS (UPDATE {table} t SET {column} = t.{column} {sign} locked.amount{version} FROM locked
    WHERE t.{pk} = locked.pk AND (SELECT all_rows FROM fit) RETURNING t.{pk} AS pk, t.{column} AS value)
SELECT locked.pk, locked.has, done.value, done.pk IS NOT NULL FROM locked LEFT JOIN done ON done.pk = locked.pk
"""


def take_many(
    model: type[models.Model], field: str, amounts: Mapping[Any, Any], *, floor: Any = 0, using: str | None = None
) -> dict[Any, Any]:
    """Take each of ``amounts``, by primary key, from ``field``: from all rows or none. Return what is left, by key.

    One round trip on PostgreSQL. Raises GuardFailed, which names every row that is short or missing.
    """
    return _all(model, "-", field, amounts, floor, using)


def give_many(
    model: type[models.Model], field: str, amounts: Mapping[Any, Any], *, ceiling: Any = None, using: str | None = None
) -> dict[Any, Any]:
    """Give each of ``amounts``, by primary key, to ``field``: to all rows or to none. See take_many()."""
    return _all(model, "+", field, amounts, ceiling, using)


async def atake_many(
    model: type[models.Model], field: str, amounts: Mapping[Any, Any], *, floor: Any = 0, using: str | None = None
) -> dict[Any, Any]:
    """See take_many()."""
    return await sync_to_async(take_many)(model, field, amounts, floor=floor, using=using)


async def agive_many(
    model: type[models.Model], field: str, amounts: Mapping[Any, Any], *, ceiling: Any = None, using: str | None = None
) -> dict[Any, Any]:
    """See give_many()."""
    return await sync_to_async(give_many)(model, field, amounts, ceiling=ceiling, using=using)


def _all(
    model: type[models.Model], sign: str, name: str, amounts: Mapping[Any, Any], limit: Any, using: str | None
) -> dict[Any, Any]:
    using = using or router.db_for_write(model)
    plan = guarded(model, name, using)
    if len(plan.prepare) > 1:
        raise TypeError(f"{model._meta.label} has a composite primary key: take from its instances, in one order")
    wanted = _wanted(plan, amounts)
    if not wanted:
        return {}
    if connections[using].vendor == "postgresql" and not plan.versioned_apart:
        return _in_one_statement(plan, sign, wanted, limit, using)
    return _one_by_one(plan, sign, wanted, limit, using)


def _wanted(plan: Guarded, amounts: Mapping[Any, Any]) -> dict[Any, Number]:
    """Return the amounts by key as the field of the key has it, in the order in which every caller locks."""
    key = plan.field.model._meta.pk
    wanted = {key.to_python(pk): checked(plan.field, amount) for pk, amount in amounts.items()}
    if len(wanted) != len(amounts):
        raise ValueError(f"two keys of {list(amounts)!r} are one row; add their amounts")
    return {pk: wanted[pk] for pk in sorted(wanted)}


def _one_by_one(plan: Guarded, sign: str, wanted: dict[Any, Number], limit: Any, using: str) -> dict[Any, Any]:
    values: dict[Any, Any] = {}
    short: list[Short] = []
    with transaction.atomic(using):
        for pk, amount in wanted.items():
            found = change(plan, sign, pk, amount, limit_of(plan, sign, amount, limit, using), using)
            if found is None:
                short.append(short_of(plan, pk, amount, using))
            else:
                values[pk] = found[0]
        if short:
            raise _failed(plan, short)
    return values


def _in_one_statement(plan: Guarded, sign: str, wanted: dict[Any, Number], limit: Any, using: str) -> dict[Any, Any]:
    connection = connections[using]
    keys = [plan.key(pk)[0] for pk in wanted]
    edge = limit_of(plan, sign, 0, limit, using)
    with connection.cursor() as cursor:
        cursor.execute(_sql(plan, sign, using), [keys, list(wanted.values()), edge])
        rows = {plan.field.model._meta.pk.to_python(pk): row for pk, *row in cursor.fetchall()}
    if len(rows) == len(wanted) and all(done for _, _, done in rows.values()):
        return {pk: plan.read(rows[pk][1]) for pk in wanted}
    raise _failed(plan, [short for pk in wanted if (short := _short(plan, sign, pk, wanted[pk], rows.get(pk), edge))])


def _short(plan: Guarded, sign: str, pk: Any, amount: Number, row: list[Any] | None, edge: Number) -> Short | None:
    has = None if row is None else plan.read(row[0])
    if has is not None and (has - amount >= edge if sign == "-" else has + amount <= edge):
        return None
    return Short(pk=pk, field=plan.field.name, wanted=amount, has=has, missing=row is None)


def _failed(plan: Guarded, short: list[Short]) -> GuardFailed:
    told = "; ".join(map(str, short))
    return GuardFailed(
        f"{plan.model._meta.label}: {told}; nothing was written",
        model=plan.model,
        pk=[each.pk for each in short],
        short=tuple(short),
    )


@cache
def _sql(plan: Guarded, sign: str, using: str) -> str:
    connection = connections[using]
    quote, meta = connection.ops.quote_name, plan.field.model._meta
    version = f", {quote(str(plan.version.column))} = t.{quote(str(plan.version.column))} + 1" if plan.version else ""
    return POSTGRESQL.format(
        pk_type=meta.pk.rel_db_type(connection),
        type="numeric" if isinstance(plan.field, models.DecimalField) else "bigint",
        pk=quote(str(meta.pk.column)),
        column=quote(str(plan.field.column)),
        table=quote(meta.db_table),
        guard=f"has {sign} amount {'>=' if sign == '-' else '<='} %s",
        sign=sign,
        version=version,
    )
