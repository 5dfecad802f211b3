"""The marks that @idempotent and @idempotency_exempt leave on views, found through whatever a view is called by."""

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

GUARDED: Final = "idempotency_source"  # on what @idempotent has decorated: its PolicySource
EXEMPT: Final = "idempotency_exempt"


def layers(view: Any) -> Iterator[Any]:
    """Yield ``view``, the functions within a partial(), and the method that calls an object."""
    while isinstance(view, partial):
        yield view
        view = view.func
    yield view
    yield type(view).__call__


def is_marked(view: Any, mark: str) -> bool:
    """Return whether ``view`` carries ``mark``; a bound method shows those of its function."""
    return any(hasattr(layer, mark) for layer in layers(view))


def name_of(view: Any) -> str:
    """Return module and name of the function or class that ``view`` is made from."""
    while isinstance(view, partial):
        view = view.func
    named = view if hasattr(view, "__qualname__") else type(view)
    return f"{named.__module__}.{named.__qualname__}"


def marked(view: Any, mark: str) -> Any:
    """Return ``view`` with ``mark`` on it; a bound method takes none, so it is returned in a partial() that does."""
    view = partial(view) if hasattr(view, "__self__") else view
    setattr(view, mark, True)
    return view
