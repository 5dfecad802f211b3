"""How a stale write is told: by the row that was not found, or by a database that refuses to see past its snapshot."""

from collections.abc import Sequence
from typing import Any, Final

from django.db import OperationalError, models

from ..exceptions import StaleVersion
from .field import Unread, VersionField

#: SQLSTATE of PostgreSQL, and error numbers of MariaDB, for a row that was changed since the snapshot was taken.
SNAPSHOT: Final = {"40001", 1020}


def code_of(error: BaseException) -> Any:
    """Return what the database calls ``error``: its SQLSTATE, or on MariaDB and MySQL its number."""
    cause = error.__cause__
    return getattr(cause, "sqlstate", None) or (cause.args[0] if cause is not None and cause.args else None)


class told_as_stale:  # noqa: N801  (used as a function; a generator's context takes three times as long)
    """Tell a serialization failure as what it is. On PostgreSQL its transaction can only be rolled back."""

    def __init__(self, model: type[models.Model], pk: Any, expected: Any) -> None:
        self._facts = model, pk, expected

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OperationalError) and code_of(error) in SNAPSHOT:
            model, pk, expected = self._facts
            told = f"{model._meta.label} {pk!r} was changed since this transaction began; repeat the transaction"
            raise StaleVersion(told, model=model, pk=pk, expected=expected) from error


def expected_version(instance: models.Model, field: VersionField) -> int:
    """Return the version that was read with ``instance``; raises StaleVersion if none was."""
    found = instance.__dict__.get(field.attname)
    if isinstance(found, int) and not isinstance(found, (bool, Unread)):
        return found
    if isinstance(found, str) and found.isdecimal():
        return int(found)
    label = f"{type(instance)._meta.label} {instance.pk!r}"
    if field.attname in instance.__dict__ and not isinstance(found, Unread):
        raise TypeError(f"{label}: {field.name} is {found!r}; leave it as it was read")
    raise StaleVersion(
        f"{label}: its {field.name} was not read, so a write could overwrite what nobody has seen; read the row first",
        model=type(instance),
        pk=instance.pk,
        expected=None,
    )


def stale(instance: models.Model, field: VersionField, expected: int, using: str) -> StaleVersion:
    """Return the error for a row that has not the version ``expected`` any more."""
    rows = field.model._base_manager.using(using).filter(pk=instance.pk)
    actual = rows.values_list(field.attname, flat=True).first()
    label = f"{type(instance)._meta.label} {instance.pk!r}"
    told = "was deleted since" if actual is None else f"has version {actual} now"
    return StaleVersion(
        f"{label} was read at version {expected} and {told}; nothing was written",
        model=type(instance),
        pk=instance.pk,
        expected=expected,
        actual=actual,
        gone=actual is None,
    )


def check_all(model: type[models.Model], field: VersionField, objs: Sequence[models.Model], using: str) -> None:
    """Lock the rows of ``objs`` in the order of their keys; raises StaleVersion, which names all that were changed."""
    expected = {each.pk: expected_version(each, field) for each in objs}
    rows = field.model._base_manager.using(using).select_for_update().order_by("pk")
    with told_as_stale(model, list(expected), None):
        actual = {row.pk: getattr(row, field.attname) for row in rows.filter(pk__in=list(expected)).only("pk")}
    wrong = [pk for pk, version in expected.items() if actual.get(pk) != version]
    if wrong:
        raise StaleVersion(
            f"{model._meta.label}: {len(wrong)} of {len(expected)} rows were changed or deleted since they were read: "
            f"{wrong!r}; nothing was written",
            model=model,
            pk=wrong,
            expected={pk: expected[pk] for pk in wrong},
            actual={pk: actual.get(pk) for pk in wrong},
            gone=not actual.keys() & set(wrong),
        )
