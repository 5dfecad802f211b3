"""The version of a row, and the marks by which a version that was read is told from one that was not."""

from functools import cache
from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:
    BigInteger = models.PositiveBigIntegerField[Any, Any]
else:
    BigInteger = models.PositiveBigIntegerField


class Unread(int):
    """The version of an instance that was made, not read."""


def first_version() -> Unread:
    """Return what an instance holds before it is inserted; the row starts at 1."""
    return Unread(1)


class VersionReader:
    """A version that was not loaded is looked up for who asks, and not kept: no save takes it for one that was read."""

    def __init__(self, field: "models.Field[Any, Any]") -> None:
        self.field = field

    def __get__(self, instance: models.Model | None, owner: type[models.Model]) -> Any:
        if instance is None:
            return self
        if self.field.attname in instance.__dict__:
            return instance.__dict__[self.field.attname]
        rows = owner._base_manager.using(instance._state.db).filter(pk=instance.pk)
        return rows.values_list(self.field.attname, flat=True).first()


class VersionField(BigInteger):
    """The version of a row: 1 at first, one more with every change. A model has at most one, under any name."""

    descriptor_class = VersionReader

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"default": first_version, "editable": False, **kwargs})

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:
        """Start at 1, whatever a copy brings along."""
        return 1 if add else super().pre_save(model_instance, add)


@cache
def version_field(model: type[models.Model]) -> VersionField | None:
    """Return the field that holds the version of ``model``, or None; it may stand in the table of a parent."""
    found = [field for field in model._meta.concrete_fields if isinstance(field, VersionField)]
    return found[0] if found else None


def version_name(model: type[models.Model]) -> str:
    """Return the name of the version of ``model``; raises TypeError if it has none."""
    field = version_field(model)
    if field is None:
        raise TypeError(f"{model._meta.label} has no version; derive it from VersionedModel")
    return str(field.attname)
