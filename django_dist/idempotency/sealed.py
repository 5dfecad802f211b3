"""Encrypt what is kept of a request, under a key made from SECRET_KEY. Not safe against who has that."""

import base64
from typing import Final

from django.conf import settings
from django.utils.crypto import salted_hmac

from ..exceptions import InvalidBackend, NotResumable

try:
    from cryptography.fernet import Fernet, InvalidToken, MultiFernet
except ImportError as error:
    raise InvalidBackend("keep_request='encrypted' needs cryptography: pip install 'django-dist[encrypted]'") from error

SALT: Final = "django_dist.kept"


def seal(plain: bytes) -> bytes:
    """Return ``plain`` encrypted and signed. Source: the Fernet specification (AES-128-CBC, HMAC-SHA256)."""
    return _keys().encrypt(plain)


def unseal(token: bytes) -> bytes:
    """Return what was sealed under SECRET_KEY or one of SECRET_KEY_FALLBACKS; raises NotResumable."""
    try:
        return _keys().decrypt(token)
    except InvalidToken as error:
        raise NotResumable(
            "it was kept under a SECRET_KEY that is gone: put that key into SECRET_KEY_FALLBACKS, then release it"
        ) from error


def _keys() -> MultiFernet:
    return MultiFernet([_key(secret) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def _key(secret: str | bytes) -> Fernet:
    digest = salted_hmac(SALT, "key", secret=secret, algorithm="sha256").digest()
    return Fernet(base64.urlsafe_b64encode(digest))
