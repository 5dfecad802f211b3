"""The settings of django_dist: one table of defaults and one reader; nothing is read at import."""

from functools import cache
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

DEFAULTS: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "DIST_IDEMPOTENCY": {"default": {"BACKEND": "django_dist.idempotency.database.DatabaseRequests"}},
    "DIST_LOCKS": {"default": {"BACKEND": "django_dist.locks.database.DatabaseLocks"}},
    "DIST_SESSIONS": {"default": {}},
}


@cache
def configured(setting: str) -> dict[str, dict[str, Any]]:
    """Return the alias dict of ``setting``; it is read once, and anew when a test overrides a setting.

    An alias without a ``BACKEND`` gets the default one, so that a site may set its ``POLICY``
    alone. Raises ImproperlyConfigured when the setting is no dict of dicts.
    """
    fallback = DEFAULTS[setting]
    found = getattr(settings, setting, fallback)
    if not isinstance(found, dict) or not all(isinstance(entry, dict) for entry in found.values()):
        raise ImproperlyConfigured(f"{setting} must be a dict of aliases, each a dict such as {fallback['default']}")
    return {alias: {**fallback["default"], **entry} for alias, entry in {**fallback, **found}.items()}


def _forget(**_: Any) -> None:
    configured.cache_clear()


setting_changed.connect(_forget)
