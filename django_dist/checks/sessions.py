"""Checks of session engines: their options, their middleware, and the Redis that they name."""

from importlib.util import find_spec
from typing import Final

from django.conf import settings
from django.core.checks import Error
from django.core.checks import Warning as Caution
from django.core.exceptions import ImproperlyConfigured

from ..exceptions import InvalidBackend
from ..sessions.options import options
from .base import Found, check

ENGINES: Final = "django_dist.sessions."
REDIS: Final = "django_dist.sessions.redis"
DJANGOS: Final = "django.contrib.sessions.middleware.SessionMiddleware"
CLIENT: Final = "django_redis.cache.RedisCache"


@check
def check_options() -> Found:
    """E042, E044: what an engine would refuse with the first request."""
    if not settings.SESSION_ENGINE.startswith(ENGINES) and not hasattr(settings, "DIST_SESSIONS"):
        return
    try:
        if options().encrypt and find_spec("cryptography") is None:
            yield Error(
                "DIST_SESSIONS['default'] has encrypt=True, and cryptography is not installed.",
                hint="pip install 'django-dist[encrypted-cookies]', or take 'encrypt' away.",
                id="django_dist.E044",
            )
    except InvalidBackend as error:
        yield Error(
            str(error),
            hint="Correct the name or value; the how-to of sessions lists the options.",
            id="django_dist.E042",
        )


@check
def check_session_middleware() -> Found:
    """W043: the engine works under Django's middleware, with less."""
    if settings.SESSION_ENGINE.startswith(ENGINES) and DJANGOS in settings.MIDDLEWARE:
        yield Caution(
            f"{DJANGOS} is in MIDDLEWARE: a store that does not answer is a 500, a session that is only "
            "read ends in mid-use, and a request that overlaps a logout is a 400.",
            hint="Put 'django_dist.sessions.SessionMiddleware' in its place.",
            id="django_dist.W043",
        )


@check
def check_session_serializer() -> Found:
    """W044: what unpickles runs whatever code its writer has put there."""
    name = f"{settings.SESSION_SERIALIZER}"
    if settings.SESSION_ENGINE.startswith(ENGINES) and "pickle" in name.lower():
        yield Caution(
            f"SESSION_SERIALIZER is {name!r}: whoever learns SECRET_KEY runs code of theirs by a session.",
            hint="Leave it at Django's JSONSerializer, and store what JSON can hold.",
            id="django_dist.W044",
        )


@check
def check_session_cache() -> Found:
    """E043: whether the alias of CACHES is one whose Redis can be used."""
    if settings.SESSION_ENGINE != REDIS:
        return
    try:
        alias = options().connection
    except ImproperlyConfigured:  # told above
        return
    backend = settings.CACHES.get(alias, {}).get("BACKEND")
    if backend != CLIENT:
        yield Error(
            f"SESSION_ENGINE is {REDIS!r}, and CACHES[{alias!r}] is {backend!r}.",
            hint="Make it 'django_redis.cache.RedisCache', or name another alias by 'connection' in DIST_SESSIONS.",
            id="django_dist.E043",
        )
