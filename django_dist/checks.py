"""System checks: what is set up wrong is said at start, with its mend, never by the first request. No store is asked.

==== ======================================================================================
E001 DIST_IDEMPOTENCY or @idempotent names a backend, option, keyword or value that is not there
E002 IdempotencyMiddleware is missing from MIDDLEWARE
E003 IdempotencyMiddleware is in MIDDLEWARE twice
E004 IdempotencyMiddleware comes before AuthenticationMiddleware
E005 no installed model is written to the database that keeps the records
E006 a database router keeps the table of records away from that database
E007 AUTOCOMMIT is off for that database
E008 ATOMIC_REQUESTS stands around the records of mode "lease"
W001 IdempotencyMiddleware is not the last of MIDDLEWARE
W002 a policy requires a key for safe methods, which carry none
W003 SQLite begins its transactions without the write lock
W004 several processes, and each has records of its own
W005 all_views is on and a login view of Django's is not exempt
W006 some models are written to another database than the records
==== ======================================================================================
"""

import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as Caution
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, router
from django.urls import URLPattern, URLResolver, get_resolver
from django.utils.module_loading import import_string

from .conf import configured
from .diagnosis.policies import FAULTS, SETTING, site_readers, use_of, uses, view_readers
from .idempotency.calls import EXEMPT
from .idempotency.database import DatabaseRequests
from .idempotency.handlers import class_of
from .idempotency.policy import SAFE, all_views
from .idempotency.registry import requests
from .models import RequestRecord

TAG: Final = "django_dist"
MIDDLEWARE: Final = "django_dist.idempotency.IdempotencyMiddleware"
# By name: a class of contrib.auth cannot be imported where that app is not installed.
OWN: Final = "django_dist.idempotency.middleware.IdempotencyMiddleware"
AUTHENTICATION: Final = "django.contrib.auth.middleware.AuthenticationMiddleware"
LOGIN_VIEW: Final = "django.contrib.auth.views.LoginView"

Found = Iterator[CheckMessage]


def _check(find: Callable[[], Found], **kwargs: Any) -> Callable[[], Found]:
    """Register ``find``; it is asked only once the settings can be read, which E001 tells else."""

    def checked(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
        try:
            return list(find())
        except ImproperlyConfigured:
            return []

    checked.__name__, checked.__doc__ = find.__name__, find.__doc__
    register(checked, TAG, **kwargs)
    return find


def _databases() -> dict[str, DatabaseRequests]:
    """Return the stores in use that keep their records in a database, by its alias."""
    return {use.store.database: use.store for use in uses() if isinstance(use.store, DatabaseRequests)}


@register(TAG)
def check_policies(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """E001."""
    faults: dict[str, None] = {}
    try:
        for alias in configured(SETTING):
            faults |= _fault(f"{SETTING}[{alias!r}]", partial(requests.__getitem__, alias))
        for where, read in (*site_readers(), *view_readers()):
            faults |= _fault(where, partial(use_of, where, read))
    except ImproperlyConfigured as error:
        faults[str(error)] = None
    hint = "Correct the name or value; the reference of settings lists what there is."
    return [Error(fault, hint=hint, id="django_dist.E001") for fault in faults]


def _fault(where: str, read: Callable[[], Any]) -> dict[str, None]:
    try:
        read()
    except FAULTS as error:
        text = str(error)
        return {text if text.startswith((SETTING, where)) else f"{where}: {text}": None}
    return {}


def _middleware() -> list[Any]:
    """Return what MIDDLEWARE names; None for what cannot be imported, which Django tells by itself."""
    return [_imported(name) for name in settings.MIDDLEWARE]


def _imported(name: str) -> Any:
    try:
        return import_string(name)
    except ImportError:
        return None


def _positions(found: Iterable[Any], kind: str) -> list[int]:
    return [place for place, part in enumerate(found) if _is_kind(part, kind)]


def _is_kind(found: Any, name: str) -> bool:
    """Return whether ``found`` is the class ``name`` or made from it."""
    return isinstance(found, type) and any(f"{base.__module__}.{base.__qualname__}" == name for base in found.__mro__)


@_check
def check_middleware() -> Found:
    """E002, E003, E004, W001."""
    found = _middleware()
    own, authentication = _positions(found, OWN), _positions(found, AUTHENTICATION)
    if not own:
        if hasattr(settings, SETTING) or uses():
            yield Error(
                f"{MIDDLEWARE} is missing from MIDDLEWARE: no answer is recorded.",
                hint=f"Add '{MIDDLEWARE}' as the last of MIDDLEWARE.",
                id="django_dist.E002",
            )
        return
    if len(own) > 1:
        yield Error(
            f"{MIDDLEWARE} is in MIDDLEWARE {len(own)} times.", hint="Keep the last one.", id="django_dist.E003"
        )
    if authentication and own[0] < authentication[0]:
        yield Error(
            f"{MIDDLEWARE} comes before AuthenticationMiddleware: users would share their keys.",
            hint="Move it to the end of MIDDLEWARE.",
            id="django_dist.E004",
        )
    elif own[-1] != len(found) - 1:
        after = ", ".join(settings.MIDDLEWARE[own[-1] + 1 :])
        yield Caution(
            f"{MIDDLEWARE} is not the last of MIDDLEWARE: what {after} does to an answer is recorded with it, "
            "and what it writes is part of the request's transaction.",
            hint="Move it to the end of MIDDLEWARE.",
            id="django_dist.W001",
        )


@_check
def check_safe_methods() -> Found:
    """W002."""
    for use in uses():
        if use.policy.required and (safe := sorted(SAFE.intersection(use.policy.methods))):
            yield Caution(
                f"{use.where}: a key is required for {', '.join(safe)}, which change nothing and carry none.",
                hint=f"Leave {', '.join(safe)} out of methods.",
                id="django_dist.W002",
            )


@_check
def check_databases() -> Found:
    """E006, E007, W003: whether the databases of the records can keep them."""
    for database in _databases():
        entry = connections.settings[database]
        if not router.allow_migrate_model(database, RequestRecord):
            yield Error(
                f"A database router keeps the table of records away from database {database!r}, which is to hold it.",
                hint=f"Let allow_migrate({database!r}, 'django_dist') of DATABASE_ROUTERS return True or None.",
                id="django_dist.E006",
            )
        if not entry["AUTOCOMMIT"]:
            yield Error(
                f"AUTOCOMMIT is off for database {database!r}: atomic() would never commit there.",
                hint=f"Remove AUTOCOMMIT from DATABASES[{database!r}].",
                id="django_dist.E007",
            )
        mode = str(entry["OPTIONS"].get("transaction_mode", "DEFERRED")).upper()
        if connections[database].vendor == "sqlite" and mode not in ("IMMEDIATE", "EXCLUSIVE"):
            yield Caution(
                f"Database {database!r} begins its transactions {mode}: one that reads before it writes may fail at "
                "once with 'database is locked'.",
                hint=f'Set "transaction_mode": "IMMEDIATE" in OPTIONS of DATABASES[{database!r}].',
                id="django_dist.W003",
            )


@_check
def check_written_databases() -> Found:
    """E005, W006: whether records and writes are in one transaction."""
    stores = _databases()
    written: dict[str, list[str]] = {}
    for model in apps.get_models():
        if model._meta.managed and not model._meta.proxy and model._meta.app_label != RequestRecord._meta.app_label:
            written.setdefault(router.db_for_write(model), []).append(model._meta.label)
    for database in stores:
        if written and database not in written:
            yield Error(
                f"Records are kept in database {database!r}, and no model is written there: a rollback of one leaves "
                "the other.",
                hint=f"Set OPTIONS['database'] of {SETTING} to one of {sorted(written)}.",
                id="django_dist.E005",
            )
    elsewhere = [label for database, labels in written.items() if database not in stores for label in labels]
    if elsewhere and stores and not stores.keys().isdisjoint(written):
        shown = ", ".join(elsewhere[:5]) + (" ..." if len(elsewhere) > 5 else "")
        yield Caution(
            f"{len(elsewhere)} models are written to another database than the records ({shown}): their rows are not "
            "undone with a request, and not written once with it.",
            hint="Keep what guarded views write beside the records; silence this check where they write none of it.",
            id="django_dist.W006",
        )


@_check
def check_atomic_requests() -> Found:
    """E008."""
    if leased := [use.where for use in uses() if use.policy.mode == "lease"]:
        for database in connections:
            if connections.settings[database]["ATOMIC_REQUESTS"]:
                yield Error(
                    f"ATOMIC_REQUESTS of database {database!r} commits after mode 'lease' has recorded the answer: "
                    "a kill in between loses the effect for good.",
                    hint=f"Use mode='atomic', or transaction.non_atomic_requests on: {', '.join(leased)}.",
                    id="django_dist.E008",
                )


def _several_processes() -> bool:
    return os.environ.get("WEB_CONCURRENCY", "1") not in ("", "0", "1")


def _own_records() -> Found:
    for alias in sorted({use.store.alias for use in uses() if use.store.per_process}):
        yield Caution(
            f"{SETTING}[{alias!r}] keeps records in one process: another one runs the repeat again.",
            hint="Use a database file or server, which all processes share.",
            id="django_dist.W004",
        )


@_check
def check_processes() -> Found:
    """W004, where WEB_CONCURRENCY tells of several."""
    return _own_records() if _several_processes() else iter(())


def _check_deployment() -> Found:
    """W004, at ``check --deploy``, unless the plain check tells it."""
    return iter(()) if _several_processes() else _own_records()


_check(_check_deployment, deploy=True)


def _views(patterns: Iterable[URLPattern | URLResolver], path: str = "") -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        here = f"{path}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            yield from _views(pattern.url_patterns, here)
        else:
            yield here, pattern.callback


def _is_login(view: Any) -> bool:
    """Return whether ``view`` is LoginView, a kind of it, or the login of the admin."""
    if _is_kind(class_of(view), LOGIN_VIEW):
        return True
    return hasattr(getattr(view, "__self__", None), "get_urls") and getattr(view, "__name__", "") == "login"


@_check
def check_login_views() -> Found:
    """W005."""
    if not all_views():
        return
    for path, view in _views(get_resolver().url_patterns):
        if _is_login(view) and not hasattr(view, EXEMPT) and not hasattr(class_of(view), EXEMPT):
            yield Caution(
                f"all_views guards the login at {path!r}: a refused attempt under a key is replayed, not counted.",
                hint="Mark it with idempotency_exempt: the view, its class, or AdminSite.login.",
                id="django_dist.W005",
            )
