"""Checks of the views in the URLconf."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from django.core.checks import Error
from django.core.checks import Warning as Caution
from django.db import connections
from django.urls import URLPattern, URLResolver, get_resolver

from ..diagnosis.policies import uses
from ..idempotency.handlers import class_of, sources_behind
from ..idempotency.marks import EXEMPT, is_marked, layers
from ..idempotency.policy import all_views
from .base import Found, check, is_kind

LOGIN_VIEW: Final = "django.contrib.auth.views.LoginView"


def _views(patterns: Iterable[URLPattern | URLResolver], path: str = "") -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        here = f"{path}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            yield from _views(pattern.url_patterns, here)
        else:
            yield here, pattern.callback


def _is_login(view: Any) -> bool:
    """Return whether ``view`` is LoginView, a kind of it, or the login of the admin."""
    if is_kind(class_of(view), LOGIN_VIEW):
        return True
    return any(
        hasattr(getattr(layer, "__self__", None), "get_urls") and layer.__name__ == "login" for layer in layers(view)
    )


@check
def check_atomic_requests() -> Found:
    """E008."""
    leased = [use.where for use in uses() if use.policy.mode == "lease"]
    for database in connections if leased else ():
        if connections.settings[database]["ATOMIC_REQUESTS"]:
            inside, spared = _guarded(database, spared=False), _guarded(database, spared=True)
            # What is not found behind any view is told, too: it may be inside one.
            if told := [where for where in leased if where in inside or where not in spared]:
                yield Error(
                    f"ATOMIC_REQUESTS of database {database!r} commits after mode 'lease' has recorded the answer: "
                    "a kill in between loses the effect for good.",
                    hint=f"Use mode='atomic', or transaction.non_atomic_requests on: {', '.join(told)}.",
                    id="django_dist.E008",
                )


def _guarded(database: str, *, spared: bool) -> set[str]:
    """Return whose policies are behind views that ATOMIC_REQUESTS of ``database`` spares, or does not."""
    views = [view for _, view in _views(get_resolver().url_patterns)]
    found = [view for view in views if (database in getattr(view, "_non_atomic_requests", ())) is spared]
    return {source.where for view in found for source in sources_behind(view)}


@check
def check_login_views() -> Found:
    """W005."""
    if not all_views():
        return
    for path, view in _views(get_resolver().url_patterns):
        if _is_login(view) and not is_marked(view, EXEMPT) and not hasattr(class_of(view), EXEMPT):
            yield Caution(
                f"all_views guards the login at {path!r}: a refused attempt under a key is replayed, not counted.",
                hint="Mark it with idempotency_exempt: the view, its class, or AdminSite.login.",
                id="django_dist.W005",
            )
