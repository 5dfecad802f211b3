"""@idempotent and @idempotency_exempt, for function views, class-based views, REST framework and Ninja."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, overload

from asgiref.sync import iscoroutinefunction

from .calls import guard_call, source_of
from .handlers import class_of, decorate_class, hook_handlers
from .marks import EXEMPT, GUARDED, marked, name_of
from .policy import PolicySource

View = TypeVar("View", bound=Callable[..., Any])


@overload
def idempotent(view: View, /) -> View: ...
@overload
def idempotent(**policy: Any) -> Callable[[View], View]: ...
def idempotent(view: Any = None, /, **policy: Any) -> Any:
    """Make a request with a key take effect once, however often it is sent.

    Decorates a function view (sync or async), a view class or one of its handlers, a REST
    framework view or action, and a Ninja operation (below ``@api.post``). Checks such as
    ``@login_required`` stand outside, above it. Keywords are those of Policy, over the site's
    ``DIST_IDEMPOTENCY["default"]["POLICY"]``; an unknown one raises InvalidBackend here.
    Source: IETF draft-ietf-httpapi-idempotency-key-header.
    """

    def decorate(view: Any) -> Any:
        name = name_of(view)
        if hasattr(view, "_ninja_operation"):
            raise TypeError(f"{name}: Ninja holds the function already; put @idempotent below @api.post")
        source = source_of(name, policy)
        if isinstance(view, type):
            decorate_class(view, source)
            return view
        if name.endswith(".dispatch"):
            raise TypeError(f"{name}: decorate the class itself: around dispatch() its checks would come too late")
        if class_of(view) is not None:
            return _with_source(view, source)
        guarded = guard_call(view, source, name)
        setattr(guarded, GUARDED, source)
        return guarded

    return decorate if view is None else decorate(view)


def _with_source(view: Callable[..., Any], source: PolicySource) -> Callable[..., Any]:
    """Guard what as_view() returned: the source goes in with the request, past all that stands around the class."""
    hook_handlers(view)
    if iscoroutinefunction(view):

        @wraps(view)
        async def acall(request: Any, *args: Any, **kwargs: Any) -> Any:
            _bring(request, source)
            return await view(request, *args, **kwargs)

        setattr(acall, GUARDED, source)
        return acall

    @wraps(view)
    def call(request: Any, *args: Any, **kwargs: Any) -> Any:
        _bring(request, source)
        return view(request, *args, **kwargs)

    setattr(call, GUARDED, source)
    return call


def _bring(request: Any, source: PolicySource) -> None:
    if (own := getattr(request, "idempotency", None)) is not None:
        own.pending = source


def idempotency_exempt(view: View) -> View:
    """Leave a view alone where the policy ``all_views`` guards every other; for functions, classes and handlers.

    A login view needs it when its count of refused attempts must last: under a key, a refused
    attempt is recorded once and replayed without being counted again.
    """
    exempt: View = marked(view, EXEMPT)
    return exempt
