"""The three-way view of a conflict as a serializer shows it: what it hides from the client stays hidden."""

from collections.abc import Mapping
from typing import Any

from django.db import models
from rest_framework.exceptions import ValidationError
from rest_framework.fields import SkipField, empty

from ..concurrency.field import version_field


def values_of(serializer: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the client has sent: values by the name in the model, and by field what is not valid."""
    valid: dict[str, Any] = {}
    raw: dict[str, Any] = {}
    for name in _columns(serializer):
        field = serializer.fields[name]
        sent = empty if field.read_only else field.get_value(serializer.initial_data)
        if sent is empty:
            continue
        try:
            valid[field.source] = field.run_validation(sent)
        except ValidationError:
            raw[name] = sent
        except SkipField:
            continue
    return valid, raw


def changes_of(
    serializer: Any,
    theirs: models.Model,
    loaded: Mapping[str, Any] | None,
    mine: Mapping[str, Any],
    raw: Mapping[str, Any],
) -> dict[str, dict[str, Any]]:
    """Return the fields that differ, by name; ``original`` is left out where ``loaded`` is not known."""
    there = serializer.to_representation(theirs)
    here = {**serializer.to_representation(_variant(theirs, mine)), **raw}
    before = None if loaded is None else serializer.to_representation(_variant(theirs, loaded))
    found: dict[str, dict[str, Any]] = {}
    for name in _columns(serializer):
        if name not in there:
            continue  # the serializer leaves it out for this client
        change = {"mine": here.get(name), "theirs": there[name]}
        if before is not None:
            change = {"original": before.get(name), **change}
        if len({repr(value) for value in change.values()}) > 1:
            found[name] = change
    return found


def _columns(serializer: Any) -> list[str]:
    """Return the names of the fields that show a column of the row, the version left out."""
    instance: models.Model = serializer.instance
    columns = {name for field in instance._meta.concrete_fields for name in (field.name, field.attname)}
    version = version_field(type(instance))
    columns -= {version.name, version.attname} if version else set()
    return [name for name, field in serializer.fields.items() if field.source in columns]


def _variant(instance: models.Model, values: Mapping[str, Any]) -> models.Model:
    """Return a copy of ``instance`` with other values of its columns."""
    columns = {name for field in instance._meta.concrete_fields for name in (field.name, field.attname)}
    variant = type(instance).__new__(type(instance))
    variant.__dict__.update(instance.__getstate__())
    for name in columns & set(values):
        setattr(variant, name, values[name])
    return variant
