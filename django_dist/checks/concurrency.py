"""Checks of models with versions and guarded amounts; no database is asked."""

from collections.abc import Iterator
from typing import Any, Final

from django.apps import apps
from django.core.checks import Error
from django.core.checks import Warning as Caution
from django.db import connections, models, router

from ..concurrency.field import VersionField, version_field
from ..concurrency.guarded import GuardedModel
from ..concurrency.queryset import ConcurrentQuerySet
from ..concurrency.versioned import VersionedModel
from .base import Found, check

VENDORS: Final = ("mysql", "postgresql", "sqlite")
Model = type[models.Model]


def _models(base: Model) -> Iterator[Model]:
    return (model for model in apps.get_models() if issubclass(model, base))


@check
def check_managers() -> Found:
    """E021: a write through a manager that is not ours passes the version by."""
    for model in _models(VersionedModel):
        managers = {manager.name: manager for manager in (*model._meta.managers, model._base_manager)}
        for name, manager in managers.items():
            if not isinstance(manager.get_queryset(), ConcurrentQuerySet):
                yield Error(
                    f"{model._meta.label}.{name} is no ConcurrentManager: what it writes leaves the version as it was.",
                    hint="Derive it from ConcurrentManager, or from ConcurrentManager.from_queryset() of a query set "
                    "that derives from ConcurrentQuerySet.",
                    obj=model,
                    id="django_dist.E021",
                )


@check
def check_versions() -> Found:
    """E022, E023: whether the version can count."""
    for model in _models(models.Model):
        if (version := version_field(model)) is None:
            continue
        together = [*model._meta.unique_together, *(each.fields for each in model._meta.total_unique_constraints)]
        if version.unique or any(version.name in names for names in together):
            yield Error(
                f"{model._meta.label}.{version.name} is part of what must be unique: two rows that are saved equally "
                "often would clash.",
                hint="Take the version out of unique_together, and of the UniqueConstraint.",
                obj=model,
                id="django_dist.E022",
            )
        several = [field.name for field in model._meta.concrete_fields if isinstance(field, VersionField)]
        if len(several) > 1:
            yield Error(
                f"{model._meta.label} has {len(several)} versions, {', '.join(several)}: one of them alone counts.",
                hint="Leave all but one out.",
                obj=model,
                id="django_dist.E023",
            )


@check
def check_vendors() -> Found:
    """E024: whether the database is one whose statements are known."""
    for model in dict.fromkeys([*_models(VersionedModel), *_models(GuardedModel)]):
        alias = router.db_for_write(model)
        if (vendor := connections[alias].vendor) not in VENDORS:
            yield Error(
                f"{model._meta.label} is written to database {alias!r}, which is {vendor}: nothing is known of how it "
                "locks.",
                hint="Keep it in SQLite, PostgreSQL, MariaDB or MySQL.",
                obj=model,
                id="django_dist.E024",
            )


@check
def check_amounts() -> Found:
    """E025, W022: whether what is taken from can be exact, and never NULL."""
    for model in _models(GuardedModel):
        fields = {field.name: field for field in model._meta.concrete_fields}
        for name in model.guarded_fields:  # type: ignore[attr-defined]
            field = fields.get(name)
            if not isinstance(field, models.IntegerField | models.DecimalField) or field.primary_key:
                yield _fault(model, name, "is no integer or decimal column: take() and give() refuse it")
            elif field.null:
                yield _fault(model, name, "may be NULL, from which nothing can be taken")
        if not model.guarded_fields:  # type: ignore[attr-defined]
            yield from _doubts(model, fields)


def _fault(model: Model, name: str, what: str) -> Error:
    return Error(
        f"{model._meta.label}.{name} of guarded_fields {what}.",
        hint="Make it an IntegerField or DecimalField with a default and without null=True.",
        obj=model,
        id="django_dist.E025",
    )


def _doubts(model: Model, fields: "dict[str, models.Field[Any, Any]]") -> Iterator[Caution]:
    kinds = (models.IntegerField, models.DecimalField, models.FloatField)
    doubtful = [
        name
        for name, field in fields.items()
        if isinstance(field, kinds) and (field.null or isinstance(field, models.FloatField))
    ]
    if doubtful:
        yield Caution(
            f"{model._meta.label} is a GuardedModel, and nothing can be taken from {', '.join(doubtful)}: "
            "they are floats, or may be NULL.",
            hint="Say by guarded_fields which amounts are taken from; these are checked, and no others.",
            obj=model,
            id="django_dist.W022",
        )
