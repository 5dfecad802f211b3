"""How a check is registered, and what checks yield."""

from collections.abc import Callable, Iterator
from typing import Any, Final

from django.core.checks import CheckMessage, register
from django.core.exceptions import ImproperlyConfigured

TAG: Final = "django_dist"
Found = Iterator[CheckMessage]


def check(find: Callable[[], Found], **kwargs: Any) -> Callable[[], Found]:
    """Register ``find``; it is asked only once the settings can be read, which E001 tells else."""

    def checked(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
        try:
            return list(find())
        except ImproperlyConfigured:
            return []

    checked.__name__, checked.__doc__ = find.__name__, find.__doc__
    register(checked, TAG, **kwargs)
    return find


def is_kind(found: Any, name: str) -> bool:
    """Return whether ``found`` is the class ``name`` or made from it; by name, for a class that may not be imported."""
    return isinstance(found, type) and any(f"{base.__module__}.{base.__qualname__}" == name for base in found.__mro__)
