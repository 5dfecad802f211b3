"""Memory equals the database: what a write has put into an instance is put back when its transaction is rolled back.

Django drops the callbacks of ``on_commit`` with the transaction or savepoint that they belong to. The only reference
to an Undo is such a callback: where it is dropped without being called, the Undo goes, and puts back what was.
"""

import weakref
from collections.abc import Mapping
from itertools import count
from typing import Any, Final

from django.db import connections, models, transaction

_NUMBERS: Final = count()
_MISSING: Final = object()


class Undo:
    """What one write replaced in one instance."""

    def __init__(self, instance: models.Model, before: Mapping[str, Any]) -> None:
        self.instance = weakref.ref(instance)
        self.before = before
        self.state = (instance._state.adding, instance._state.db)
        self.number = next(_NUMBERS)
        self.committed = False

    def keep(self) -> None:
        """Leave the instance as it is: the transaction was committed."""
        self.committed = True

    def __del__(self) -> None:
        instance = self.instance()
        if self.committed or instance is None:
            return
        # Several writes of one transaction go in no known order: what was before the first of them counts.
        if self.number < instance._state.__dict__.get("dist_undone", float("inf")):
            instance._state.__dict__["dist_undone"] = self.number
            instance._state.adding, instance._state.db = self.state
            for name, value in self.before.items():
                if value is _MISSING:
                    instance.__dict__.pop(name, None)
                else:
                    instance.__dict__[name] = value


def put(instance: models.Model, using: str, values: Mapping[str, Any]) -> None:
    """Put ``values`` into ``instance`` until a transaction that is open on ``using`` is rolled back."""
    if connections[using].in_atomic_block:
        instance._state.__dict__.pop("dist_undone", None)
        undo = Undo(instance, {name: instance.__dict__.get(name, _MISSING) for name in values})
        transaction.on_commit(undo.keep, using)
    instance.__dict__.update(values)
    if loaded := instance._state.__dict__.get("dist_loaded"):
        for name in values:
            loaded.pop(name, None)
