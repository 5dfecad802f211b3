"""What may be taken or given: an exact, positive amount that the column can hold as it is."""

from decimal import Decimal
from typing import Any, Final, TypeAlias

from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

Number: TypeAlias = int | Decimal
LARGEST: Final = 10**18  # below the 64 bits of an integer, with room to add


def guarded_field(model: type[models.Model], name: str) -> "models.Field[Any, Any]":
    """Return the field ``name``, if it is one whose sums are exact: an integer or a decimal."""
    try:
        field = model._meta.get_field(name)
    except FieldDoesNotExist as error:
        raise ValueError(
            f"{model._meta.label} has no field {name!r}: pass the name of an integer or decimal"
        ) from error
    if not isinstance(field, (models.IntegerField, models.DecimalField)) or field.primary_key:
        raise TypeError(f"{model._meta.label}.{name} is no integer or decimal column: its sums are not exact")
    return field


def checked(field: "models.Field[Any, Any]", amount: Any, what: str = "amount", *, positive: bool = True) -> Number:
    """Return ``amount`` if ``field`` holds it exactly; raises TypeError or ValueError, which say what to pass."""
    number: Number
    least = 0 if positive else -LARGEST
    if type(amount) is int and least < amount < LARGEST and not isinstance(field, models.DecimalField):
        return amount
    name = f"{what} for {field.model._meta.label}.{field.name}"
    if isinstance(field, models.DecimalField):
        number = _decimal(field, amount, name)
    elif isinstance(amount, int) and not isinstance(amount, bool):
        number = amount
    else:
        raise TypeError(f"{name}: {amount!r} is {type(amount).__name__}; pass an int")
    if not -LARGEST < number < LARGEST:
        raise ValueError(f"{name}: {amount!r} is greater than any column holds")
    if positive and not number > 0:
        raise ValueError(f"{name}: {amount!r} is not positive; take and give say the direction")
    return number


def _decimal(field: "models.DecimalField[Any, Any]", amount: Any, name: str) -> Number:
    if isinstance(amount, bool) or not isinstance(amount, (int, Decimal)):
        raise TypeError(f"{name}: {amount!r} is {type(amount).__name__}; pass a Decimal or an int")
    number = Decimal(amount)
    places: int = field.decimal_places or 0
    if not number.is_finite():
        raise ValueError(f"{name}: {amount!r} is no amount; pass a finite Decimal")
    if number.adjusted() < 18 and number != round(number, places):
        raise ValueError(f"{name}: {amount!r} is finer than the column's {places} places; round it")
    return number


def greatest(field: "models.Field[Any, Any]", connection: BaseDatabaseWrapper) -> Number:
    """Return the greatest value of the column: SQLite would store more, the others would fail."""
    if isinstance(field, models.DecimalField):
        return Decimal((0, (9,) * (field.max_digits or 0), -(field.decimal_places or 0)))
    return min(int(connection.ops.integer_field_ranges[field.get_internal_type()][1]), 2**63 - 1)
