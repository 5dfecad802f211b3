"""Django set up for one database, with the apps of the peers that work here."""

import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import django
from django.conf import settings
from django.core.management import call_command

from stores import Store

OURS = "django_dist"
CACHE_TABLE = "bench_cache"
# Settings that the peers read; the rest of each is its default.
PEER_SETTINGS: dict[str, Any] = {
    "CACHES": {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
        # With fewer entries the cache would cull its rows, and forget requests.
        "records": {
            "BACKEND": "django.core.cache.backends.db.DatabaseCache",
            "LOCATION": CACHE_TABLE,
            "TIMEOUT": 86_400,
            "OPTIONS": {"MAX_ENTRIES": 100_000_000},
        },
    },
    "IDEMPOTENCY_KEY": {
        "STORAGE": {"CLASS": "idempotency_key.storage.CacheKeyStorage", "CACHE_NAME": "records"},
        "CONFLICT_STATUS_CODE": None,  # replay the first status, not 409
    },
    "IDEMPOTENCY_KEY_LOCK_TIMEOUT": 90,
}


@dataclass(frozen=True)
class Distribution:
    """What holds a peer: its distribution, and the app that it adds, if any."""

    name: str
    version: str
    app: str | None = None


DISTRIBUTIONS = (
    Distribution("django-idempotency-key", "1.3.0"),
    Distribution("djangorestframework-idempotency-key", "1.0.3", "rest_framework_idempotency_key"),
    Distribution("drf-idempotency", "1.0.0", "drf_idempotency"),
    Distribution("drf-idempotencykey", "0.2.0", "drf_idempotencykey"),
    Distribution("idemkit", "1.0.2"),
)


def set_up(database: Store, **further: Any) -> dict[str, str]:
    """Start Django on ``database`` with all tables made; return why each of ours and the peers is left out.

    ``further`` are settings over those of the peers.
    """
    reasons = {OURS: unusable(OURS), **{peer.name: missing(peer) for peer in DISTRIBUTIONS}}
    left_out = {name: reason for name, reason in reasons.items() if reason}
    apps = [OURS, *(peer.app for peer in DISTRIBUTIONS if peer.app and peer.name not in left_out)]
    logging.getLogger().addHandler(logging.NullHandler())
    settings.configure(
        DATABASES={"default": database.settings},
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            *(app for app in apps if app not in left_out),
        ],
        ALLOWED_HOSTS=["*"],
        SECRET_KEY="of a benchmark; signs nothing that lasts",
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        LOGGING_CONFIG=None,
        **{**PEER_SETTINGS, **further},
    )
    django.setup()
    make_tables()
    return left_out


def make_tables() -> None:
    """Make every table on the default connection."""
    from idempotency_views import create_tables

    call_command("migrate", verbosity=0, skip_checks=True)
    call_command("createcachetable", verbosity=0)
    create_tables()


def missing(peer: Distribution) -> str | None:
    """Return why ``peer`` cannot be used here, or None."""
    try:
        found = version(peer.name)
    except PackageNotFoundError:
        return f"not installed: {peer.name}=={peer.version}"
    if found != peer.version:
        return f"version {found} is installed; {peer.version} was read and set up here"
    return unusable(peer.app) if peer.app else None


def unusable(app: str) -> str | None:
    """Return why Django cannot start with ``app``, tried in a process of its own, or None."""
    if find_spec(app) is None:
        return f"no module named {app}"
    apps: Sequence[str] = ("django.contrib.contenttypes", "django.contrib.auth", app)
    start = (
        f"import django; from django.conf import settings; settings.configure(INSTALLED_APPS={apps}); django.setup()"
    )
    surroundings = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    tried = subprocess.run([sys.executable, "-c", start], env=surroundings, capture_output=True, text=True, check=False)
    return None if tried.returncode == 0 else (tried.stderr.strip().splitlines() or ["no reason given"])[-1]
