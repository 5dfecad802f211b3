"""What stands against what after a conflict: as it was read, as it is here, as the database has it now."""

from dataclasses import dataclass
from typing import Any

from django.db import models


@dataclass(frozen=True)
class Change:
    """One field that somebody has changed."""

    original: Any
    mine: Any
    theirs: Any


def compare(instance: models.Model) -> dict[str, Change]:
    """Return the fields that were changed here or there since ``instance`` was read, by name; reads the row.

    Every ``theirs`` is None if the row is gone.
    """
    loaded: dict[str, Any] = instance._state.__dict__.get("dist_loaded", {})
    theirs = type(instance)._base_manager.using(instance._state.db).filter(pk=instance.pk).first()
    found: dict[str, Change] = {}
    for field in instance._meta.concrete_fields:
        name = field.attname
        if name not in instance.__dict__ or name not in loaded:
            continue
        change = Change(loaded[name], instance.__dict__[name], None if theirs is None else getattr(theirs, name))
        if not change.original == change.mine == change.theirs:
            found[field.name] = change
    return found
