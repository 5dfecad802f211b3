"""Models whose amounts never leave their limits, however many take and give at once."""

from collections.abc import Sequence
from typing import Any, ClassVar

from asgiref.sync import sync_to_async
from django.db import models, router

from ..exceptions import GuardFailed
from .amounts import checked
from .change import change, limit_of, short_of
from .field import version_field
from .memory import put
from .queryset import ConcurrentManager
from .statements import Guarded, guarded


class GuardedModel(models.Model):
    """A model with amounts to take from and give to: integer and decimal fields."""

    guarded_fields: ClassVar[Sequence[str]] = ()  # their names, for the system checks; nothing else asks

    objects = ConcurrentManager()
    _concurrent = ConcurrentManager()

    class Meta:
        abstract = True
        base_manager_name = "_concurrent"

    def take(self, field: str, amount: Any, *, floor: Any = 0) -> Any:
        """Take ``amount`` from ``field`` and return what is left; one statement.

        Raises GuardFailed, and writes nothing, if less than ``floor`` would be left, the field is NULL or the row is
        gone. A full save() afterwards does not undo it: the instance carries the new value.
        """
        return _changed(self, "-", field, amount, floor)

    def give(self, field: str, amount: Any, *, ceiling: Any = None) -> Any:
        """Give ``amount`` to ``field`` and return what it holds; raises GuardFailed above ``ceiling``. See take()."""
        return _changed(self, "+", field, amount, ceiling)

    async def atake(self, field: str, amount: Any, *, floor: Any = 0) -> Any:
        """See take()."""
        return await sync_to_async(self.take)(field, amount, floor=floor)

    async def agive(self, field: str, amount: Any, *, ceiling: Any = None) -> Any:
        """See give()."""
        return await sync_to_async(self.give)(field, amount, ceiling=ceiling)

    take.alters_data = give.alters_data = True  # type: ignore[attr-defined]
    atake.alters_data = agive.alters_data = True  # type: ignore[attr-defined]


def _changed(instance: models.Model, sign: str, name: str, amount: Any, limit: Any) -> Any:
    model = type(instance)
    using = router.db_for_write(model, instance=instance)
    plan = guarded(model, name, using)
    number = checked(plan.field, amount)
    bound = limit_of(plan, sign, number, limit, using)
    pk = _key(instance, plan)
    found = change(plan, sign, pk, number, bound, using)
    if found is None:
        short = short_of(plan, pk, number, using)
        raise GuardFailed(f"{model._meta.label}: {short}; nothing was written", model=model, pk=pk, short=(short,))
    value, version = found
    values = {plan.field.attname: value}
    if version is not None:
        values.update(_version(instance, version))
    put(instance, using, values)
    return value


def _key(instance: models.Model, plan: Guarded) -> Any:
    """Return the key of the row in the table of the field, which may be a parent's."""
    keys = [getattr(instance, name) for name in plan.keys]
    if None in keys:
        raise ValueError(f"{instance!r} has no primary key: save it before you take or give")
    return tuple(keys) if len(keys) > 1 else keys[0]


def _version(instance: models.Model, version: int) -> dict[str, int]:
    """Return the new version, if the one before it was read: else a save would overwrite what nobody has seen."""
    field = version_field(type(instance))
    if field is None or instance.__dict__.get(field.attname) != version - 1:
        return {}
    return {field.attname: version}
