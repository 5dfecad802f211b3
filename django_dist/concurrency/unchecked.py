"""The way past the check: explicit, easy to search for, and of this thread or task alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from django.db import models

_UNCHECKED: Final[ContextVar[frozenset[type[models.Model]]]] = ContextVar("django_dist_unchecked", default=frozenset())


@contextmanager
def unchecked(*named: type[models.Model]) -> Iterator[None]:
    """Write rows of the models ``named`` whatever their version, for the block; the version is still bumped."""
    if not named:
        raise TypeError("unchecked() names the models that are not checked: unchecked(Article)")
    token = _UNCHECKED.set(_UNCHECKED.get() | {model._meta.concrete_model or model for model in named})
    try:
        yield
    finally:
        _UNCHECKED.reset(token)


def is_unchecked(model: type[models.Model]) -> bool:
    """Return whether this thread or task is in a block for ``model``."""
    return model._meta.concrete_model in _UNCHECKED.get()
