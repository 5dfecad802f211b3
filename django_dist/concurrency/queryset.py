"""The query set of models with a version or guarded amounts: each of its writes leaves a new version behind."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.db import connections, models, transaction
from django.db.models import F
from django.db.models.functions import Round

from .amounts import checked
from .change import limit_of
from .field import version_field
from .memory import put
from .stale import check_all, told_as_stale
from .statements import guarded
from .unchecked import is_unchecked
from .upsert import UpsertQuery

Model_co = TypeVar("Model_co", bound=models.Model, covariant=True)


class ConcurrentQuerySet(models.QuerySet[Model_co]):
    """A query set whose writes bump the version; update() and delete() are statements on the rows as they are."""

    def only(self, *fields: str) -> Any:
        """Load ``fields``, and the version with them."""
        version = version_field(self.model)
        return super().only(*fields, *([version.name] if version and fields else []))

    def defer(self, *fields: Any) -> Any:
        """Leave ``fields`` out, but never the version."""
        version = version_field(self.model)
        return super().defer(*(name for name in fields if version is None or name != version.name))

    def update(self, **kwargs: Any) -> int:
        """Change the rows as they are, whatever their version, and bump it: who read them before gets StaleVersion."""
        version = version_field(self.model)
        if version is not None and kwargs and not (version.name in kwargs and is_unchecked(self.model)):
            if version.name in kwargs:
                raise ValueError(f"update({version.name}=...): the version counts itself; or use unchecked()")
            kwargs[version.name] = F(version.name) + 1
        return super().update(**kwargs)

    update.alters_data = True  # type: ignore[attr-defined]

    def bulk_update(self, objs: Iterable[Any], fields: Iterable[str], batch_size: int | None = None) -> int:
        """Write ``fields`` of ``objs``, or nothing: raises StaleVersion, whose ``pk`` lists every row changed since."""
        version, objs = version_field(self.model), tuple(objs)
        if version is None or not objs or is_unchecked(self.model):
            return super().bulk_update(objs, fields, batch_size=batch_size)
        self._for_write = True
        with transaction.atomic(self.db):
            check_all(self.model, version, objs, self.db)
            with told_as_stale(self.model, [each.pk for each in objs], None):
                rows = super().bulk_update(objs, fields, batch_size=batch_size)
            for each in objs:
                put(each, self.db, {version.attname: int(each.__dict__[version.attname]) + 1})
        return rows

    bulk_update.alters_data = True  # type: ignore[attr-defined]

    def bulk_create(
        self,
        objs: Iterable[Any],
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Collection[str] | None = None,
        unique_fields: Collection[str] | None = None,
    ) -> list[Any]:
        """Insert ``objs``; with ``update_conflicts`` a row that is there gets a new version.

        After ``ignore_conflicts`` or ``update_conflicts`` the version of ``objs`` is not known: read them anew.
        """
        version = version_field(self.model)
        if version is not None and update_conflicts and update_fields:
            update_fields = list(dict.fromkeys([*update_fields, version.name]))
        created = super().bulk_create(
            objs, batch_size, ignore_conflicts, update_conflicts, update_fields, unique_fields
        )
        for each in created if version is not None else ():
            if ignore_conflicts or update_conflicts:
                each.__dict__.pop(version.attname, None)  # type: ignore[union-attr]
            else:
                put(each, self.db, {version.attname: 1})  # type: ignore[union-attr]
        return created

    bulk_create.alters_data = True  # type: ignore[attr-defined]

    def _insert(self, objs: Any, fields: Any, returning_fields: Any = None, **kwargs: Any) -> Any:
        version = version_field(self.model)
        if version is None or version not in (kwargs.get("update_fields") or ()):
            return super()._insert(objs, fields, returning_fields=returning_fields, **kwargs)  # type: ignore[misc]
        self._for_write = True
        named = {name: kwargs.get(name) for name in ("on_conflict", "update_fields", "unique_fields")}
        query = UpsertQuery(self.model, **named)
        query.insert_values(fields, objs, raw=kwargs.get("raw", False))
        return query.get_compiler(using=kwargs.get("using") or self.db).execute_sql(returning_fields)

    _insert.alters_data = True  # type: ignore[attr-defined]
    _insert.queryset_only = False  # type: ignore[attr-defined]

    def take(self, field: str, amount: Any, *, floor: Any = 0) -> int:
        """Take ``amount`` from every row that has it to spare; return how many did. Each row is guarded for itself."""
        return self._change("-", field, amount, floor)

    def give(self, field: str, amount: Any, *, ceiling: Any = None) -> int:
        """Give ``amount`` to every row that stays within ``ceiling``; return how many did. See take()."""
        return self._change("+", field, amount, ceiling)

    async def atake(self, field: str, amount: Any, *, floor: Any = 0) -> int:
        """See take()."""
        return await sync_to_async(self.take)(field, amount, floor=floor)

    async def agive(self, field: str, amount: Any, *, ceiling: Any = None) -> int:
        """See give()."""
        return await sync_to_async(self.give)(field, amount, ceiling=ceiling)

    take.alters_data = give.alters_data = True  # type: ignore[attr-defined]
    atake.alters_data = agive.alters_data = True  # type: ignore[attr-defined]

    def _change(self, sign: str, name: str, amount: Any, limit: Any) -> int:
        self._for_write = True
        plan = guarded(self.model, name, self.db)
        number = checked(plan.field, amount)
        bound = limit_of(plan, sign, number, limit, self.db)
        value: Any = F(name) - number if sign == "-" else F(name) + number
        if connections[self.db].vendor == "sqlite" and isinstance(plan.field, models.DecimalField):
            value = Round(value, precision=plan.field.decimal_places)
        guard = {f"{name}__{'gte' if sign == '-' else 'lte'}": bound}
        return self._own_table(plan.field.model).filter(**guard).update(**{name: value})

    def _own_table(self, owner: type[models.Model]) -> models.QuerySet[Any]:
        """Return these rows by their own table: a guard inside a subquery is not asked again after a lock."""
        if owner is self.model._meta.concrete_model and len(self.query.alias_map) <= 1 and not self.query.is_sliced:
            return self.order_by()
        keys: Sequence[Any] = list(self.values_list("pk", flat=True))
        return self.model._base_manager.using(self.db).filter(pk__in=keys)


class ConcurrentManager(models.Manager.from_queryset(ConcurrentQuerySet)):  # type: ignore[misc]
    """The manager of models with a version or guarded amounts; a base for one's own."""
