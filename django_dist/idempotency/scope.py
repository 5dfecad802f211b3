"""Whose key it is: each user's keys are a space of their own, and nobody's keys are bound to credentials."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from .digests import digest_of
from .keys import meta_name
from .policy import Policy

NOBODY = "anonymous"


def scope_of(request: HttpRequest, user: Any, policy: Policy) -> tuple[str, str]:
    """Return the space of a request's keys, as a label to show and as what goes into the digest.

    The label ``anonymous`` says that nobody is known, and that the record is to be bound.
    """
    if callable(policy.scope):
        own = policy.scope(request)
        return (NOBODY, NOBODY) if own is None else (f"custom:{own}",) * 2
    if policy.scope == "credentials":
        values = credentials(request, policy.credentials)
        # The digest alone carries the secret on, and it is not stored by itself.
        return ("credentials", str(digest_of(["credentials", *values]))) if any(values) else (_label(user),) * 2
    label = _label(user)
    return label, label


def _label(user: Any) -> str:
    """Return class and key of a user that is known, else NOBODY."""
    key = getattr(user, "pk", None)
    meta = getattr(user, "_meta", None)
    # Ninja's authentication may give any model, such as an API client, which knows no is_authenticated.
    if key is None or not getattr(user, "is_authenticated", meta is not None):
        return NOBODY
    kind = user.__class__.__qualname__ if meta is None else meta.concrete_model._meta.label_lower
    return f"user:{kind}:{key}"


def credentials(request: HttpRequest, names: Iterable[str]) -> list[str]:
    """Return the values of the headers in which clients send credentials; "" where one is missing.

    The last is what the authentication of Django Ninja took, which may come from elsewhere.
    """
    auth = getattr(request, "auth", None)
    return [*(request.META.get(meta_name(name), "") for name in names), auth if isinstance(auth, str) else ""]


def binding_of(request: HttpRequest, policy: Policy, secret: str | bytes | None = None) -> UUID | None:
    """Return the digest of a request's credentials, keyed by SECRET_KEY; None where it has none.

    It cannot be tried out without the key, so a leaked table tells nothing of the credentials.
    """
    values = credentials(request, policy.credentials)
    if not any(values):
        return None
    plain = str(digest_of(values))
    return digest_of([salted_hmac("django_dist.binding", plain, secret=secret, algorithm="sha256").digest()])


def is_bound(binding: UUID | None, request: HttpRequest, policy: Policy) -> bool:
    """Return whether ``binding`` was made from this request's credentials, under any key of the site's."""
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return any(binding == binding_of(request, policy, secret) for secret in secrets)
