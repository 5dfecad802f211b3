"""Guard a call: claim before it, undo when an exception leaves it. The middleware records the answer."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed
from django.http import HttpRequest

from .guard import Guard
from .keys import header_value
from .own import Idempotency
from .policy import PolicySource, site_keywords

#: Every source there is, for the system checks and for the names of the headers they read.
SOURCES: Final[list[PolicySource]] = []
_known: dict[tuple[str, str], PolicySource] = {}  # by decorated name and keywords
_headers: dict[int, tuple[str, ...]] = {}  # by how many sources there were


def source_of(name: str, policy: dict[str, Any]) -> PolicySource:
    """Return the source of ``name``: a new one, or the one there is. method_decorator() decorates at every request."""
    known = _known.get((name, repr(policy)))
    if known is None:
        known = _known[name, repr(policy)] = PolicySource(f"@idempotent of {name}", policy)
        SOURCES.append(known)
    return known


def guard_call(view: Callable[..., Any], source: PolicySource | None, name: str) -> Callable[..., Any]:
    """Return ``view`` guarded by ``source``, or by the source that its request brings along.

    ``view`` is called with the request first or, as a method, second.
    """
    if iscoroutinefunction(view):

        @wraps(view)
        async def acall(*args: Any, **kwargs: Any) -> Any:
            guard, user = _open(args, source, name)
            if guard is None:
                return await view(*args, **kwargs)
            enter = sync_to_async(lambda: guard.enter(user()), thread_sensitive=True)
            if (instead := await enter()) is not None:
                return instead
            try:
                return await view(*args, **kwargs)
            except Exception as error:
                if (instead := await sync_to_async(guard.fail, thread_sensitive=True)(error)) is not None:
                    return instead
                raise

        return acall

    @wraps(view)
    def call(*args: Any, **kwargs: Any) -> Any:
        guard, user = _open(args, source, name)
        if guard is None:
            return view(*args, **kwargs)
        if (instead := guard.enter(user())) is not None:
            return instead
        try:
            return view(*args, **kwargs)
        except Exception as error:
            if (instead := guard.fail(error)) is not None:
                return instead
            raise

    return call


def _open(args: tuple[Any, ...], source: PolicySource | None, name: str) -> tuple[Guard | None, Callable[[], Any]]:
    """Return the guard of a call and who asks, by the framework's own user; None where nothing is to be guarded."""
    request = next(arg for arg in args[:2] if hasattr(arg, "META"))
    plain: HttpRequest = getattr(request, "_request", request)  # Django REST framework wraps it
    return open_guard(plain, source, name), lambda: user_of(request)


def user_of(request: Any) -> Any:
    """Return who asks; in Django Ninja that may be the object its authentication gave."""
    user = getattr(request, "user", None)
    if getattr(user, "is_authenticated", False):
        return user
    auth = getattr(request, "auth", None)
    return auth if hasattr(auth, "_meta") else user


def open_guard(request: HttpRequest, source: PolicySource | None, name: str) -> Guard | None:
    """Return a new guard for ``request``, or None: another one is at work, or there is nothing to guard."""
    own: Idempotency | None = getattr(request, "idempotency", None)
    if source is None and own is not None:
        source = own.pending
    if source is None or (own is not None and own.guard is not None and own.guard.at_work):
        return None
    policy = source.policy()
    if request.method not in policy.methods:
        return None
    if not policy.required and header_value(request, policy.header) is None:
        return None
    if own is None:
        raise ImproperlyConfigured(
            f"{name} is decorated with @idempotent; add 'django_dist.idempotency.IdempotencyMiddleware' "
            "as the last of MIDDLEWARE"
        )
    own.guard = Guard(request, policy, name)
    return own.guard


def headers_in_use() -> tuple[str, ...]:
    """Return the names of all headers that may carry a key, the site's first."""
    if (known := _headers.get(len(SOURCES))) is not None:
        return known
    names = _as_tuple(site_keywords().get("header", "Idempotency-Key"))
    for source in SOURCES:
        names += _as_tuple(source.keywords.get("header", ()))
    return _headers.setdefault(len(SOURCES), tuple(dict.fromkeys(names)))


def _forget(**_: Any) -> None:
    _headers.clear()


setting_changed.connect(_forget)


def _as_tuple(names: Any) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)
