"""The peers, each with its SQL store where it has one, and else its best documented default.

Each guards the same view as ``bare``; where a peer opens the transaction itself the view has none of its own.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import connection
from django.test import override_settings

from idempotency_subjects import drf_view
from idempotency_views import bare
from subjects import Subject, served

Build = Callable[[str], Subject]


def _key_in_cache(name: str) -> Subject:
    from idempotency_key.decorators import idempotency_key

    middleware = "idempotency_key.middleware.ExemptIdempotencyKeyMiddleware"
    return served(name, idempotency_key(bare), [middleware], store="DatabaseCache", rival=True)


def _key_in_memory(name: str) -> Subject:
    with override_settings(IDEMPOTENCY_KEY={}):  # the storage is chosen when the handler is built
        subject = _key_in_cache(name)
    subject.store, subject.rival = "process memory", False
    return subject


def _rest_framework_key(name: str) -> Subject:
    from rest_framework_idempotency_key.decorators import simple_idempotency_key_method

    view = drf_view(guard=simple_idempotency_key_method)
    middleware = "rest_framework_idempotency_key.middleware.IdempotencyKeyMiddleware"
    return served(name, view, [middleware], base="bare, DRF", rival=True)


def _drf_idempotency(name: str) -> Subject:
    return served(name, bare, ["drf_idempotency.middleware.IdempotencyMiddleware"], rival=True)


def _drf_idempotencykey(name: str, *, atomic_requests: bool) -> Subject:
    from drf_idempotencykey.mixins import DrfIdempotencyKeyMixin

    view = drf_view(atomic=not atomic_requests, mixins=(DrfIdempotencyKeyMixin,))
    return served(name, view, base="bare, DRF", rival=True, atomic_requests=atomic_requests)


def _idemkit(name: str) -> Subject:
    from idemkit import HttpConfig, InMemoryBackend, WSGIIdempotencyMiddleware

    subject = served(name, bare, store="process memory")
    backend: Any = InMemoryBackend()
    if connection.vendor == "postgresql":
        from idemkit.backends.postgres import PostgresBackend, init_pg

        asyncio.run(init_pg(_url()))
        backend = PostgresBackend.from_url(_url(), min_size=1, max_size=2)
        subject.store, subject.rival = "PostgreSQL (asyncpg)", True
    config = HttpConfig(scope_mode="single_tenant")
    subject.application = WSGIIdempotencyMiddleware(subject.application, backend=backend, config=config)
    return subject


def _url() -> str:
    known = connection.settings_dict
    secret = f":{known['PASSWORD']}" if known["PASSWORD"] else ""
    return f"postgresql://{known['USER']}{secret}@{known['HOST']}:{known['PORT']}/{known['NAME']}"


# By distribution, then by the subject's name.
PEERS: dict[str, dict[str, Build]] = {
    "django-idempotency-key": {
        "django-idempotency-key": _key_in_cache,
        "django-idempotency-key, memory": _key_in_memory,
    },
    "djangorestframework-idempotency-key": {"djangorestframework-idempotency-key": _rest_framework_key},
    "drf-idempotency": {"drf-idempotency": _drf_idempotency},
    "drf-idempotencykey": {
        "drf-idempotencykey": partial(_drf_idempotencykey, atomic_requests=False),
        "drf-idempotencykey, ATOMIC_REQUESTS": partial(_drf_idempotencykey, atomic_requests=True),
    },
    "idemkit": {"idemkit": _idemkit},
}
