"""Settings of a run with Redis: ours through django-redis, and the peers on the same server."""

import os
from typing import Any, Final

from idempotency_setup import PEER_SETTINGS

ALIAS: Final = "requests"
PREFIX: Final = f"dist-bench-{os.getpid()}:"  # of all keys, so that none is left behind


def redis_settings(url: str) -> dict[str, Any]:
    """Return the settings that lead ours and drf-idempotency to ``url``."""
    cache = {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": url,
        "OPTIONS": {"SOCKET_TIMEOUT": 5, "SOCKET_CONNECT_TIMEOUT": 5},
    }
    return {
        "CACHES": {**PEER_SETTINGS["CACHES"], ALIAS: cache},
        "DIST_IDEMPOTENCY": {
            "default": {
                "BACKEND": "django_dist.idempotency.redis.RedisRequests",
                "OPTIONS": {"connection": ALIAS, "prefix": f"{PREFIX}ours:"},
                "POLICY": {"mode": "lease"},
            }
        },
        "IDEMPOTENCY": {
            "BACKEND": "drf_idempotency.backends.redis.RedisBackend",
            "BACKEND_OPTIONS": {"url": url, "key_prefix": f"{PREFIX}drf-idempotency:"},
        },
    }


def missing_redis(url: str) -> str | None:
    """Return why Redis cannot be used here, or None."""
    try:
        import django_redis  # noqa: F401
        import redis
    except ImportError as error:
        return f"not installed: {error.name}"
    try:
        redis.Redis.from_url(url, socket_connect_timeout=2).ping()
    except redis.RedisError as error:
        return f"Redis at {url}: {error}"
    return None
