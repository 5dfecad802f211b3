"""Guard class-based views, REST framework views and Ninja operations at the handler: after all their own checks."""

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, Final

from ..exceptions import UnsupportedView
from .calls import guard_call
from .marks import EXEMPT, GUARDED, is_marked, layers, name_of
from .policy import PolicySource

HOOKED: Final = "_idempotency_hooked"


def hook_class(view: type) -> None:
    """Let ``view.dispatch`` guard the handler that it is about to call.

    The handler is the innermost: what the dispatch() of mixins, and the authentication,
    permissions and throttles of REST framework check, they check before. The hook does nothing
    unless the class is decorated or the request brings a source along.
    """
    if HOOKED in vars(view):
        return
    inner = view.dispatch  # type: ignore[attr-defined]

    @wraps(inner)
    def dispatch(self: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        name = (request.method or "").lower()
        handler = getattr(self, name, None) if name in self.http_method_names else None
        if handler is not None and not is_marked(handler, GUARDED) and not is_marked(handler, EXEMPT):
            label = f"{type(self).__module__}.{type(self).__qualname__}.{getattr(handler, '__name__', name)}"
            guarded = guard_call(handler, getattr(self, GUARDED, None), label)
            setattr(guarded, GUARDED, True)  # a dispatch() further out that is hooked, too, leaves it be
            setattr(self, name, guarded)
        return inner(self, request, *args, **kwargs)

    view.dispatch = dispatch  # type: ignore[attr-defined]
    setattr(view, HOOKED, True)


def decorate_class(view: type, source: PolicySource) -> None:
    """Guard the handlers of ``view`` by ``source``."""
    setattr(view, GUARDED, source)
    hook_class(view)


def class_of(view: Callable[..., Any]) -> type | None:
    """Return the class behind what as_view() returned, whatever was put around it."""
    for layer in layers(view):
        found = getattr(layer, "view_class", None) or getattr(layer, "cls", None)
        if isinstance(found, type) and hasattr(found, "dispatch"):
            return found
    return None


def hook_handlers(view: Callable[..., Any]) -> bool:
    """Prepare ``view`` to be guarded inside, where its framework has checks of its own; return whether it has."""
    if (behind := class_of(view)) is not None:
        hook_class(behind)
        return True
    if not getattr(view, "__module__", "").startswith("ninja."):
        return False
    operations = [operation for held in _held_by(view) for operation in getattr(held, "operations", ())]
    if not operations:
        raise UnsupportedView(f"the operations behind {view!r} are not found; decorate each with @idempotent")
    for operation in operations:
        call = operation.view_func
        if not any(is_marked(call, mark) for mark in (GUARDED, EXEMPT, HOOKED)):
            operation.view_func = guard_call(call, None, name_of(call))
            setattr(operation.view_func, HOOKED, True)
    return True


def sources_behind(view: Callable[..., Any]) -> Iterator[PolicySource]:
    """Yield what guards ``view``, its class, or any of its handlers or operations."""
    behind = class_of(view)
    handlers = [getattr(behind, name, None) for name in dir(behind)] if behind is not None else []
    held = [part for each in (view, *handlers) for part in _held_by(each)]  # @api_view keeps its function in a closure
    operations = [operation.view_func for part in held for operation in getattr(part, "operations", ())]
    for part in (*layers(view), behind, *handlers, *held, *operations):
        if isinstance(source := getattr(part, GUARDED, None), PolicySource):
            yield source


def _held_by(view: Any) -> list[Any]:
    """Return what a bound method or a closure was made from."""
    cells = [cell.cell_contents for cell in getattr(view, "__closure__", None) or ()]
    return [getattr(view, "__self__", None), *cells]
