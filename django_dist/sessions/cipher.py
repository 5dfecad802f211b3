"""Encryption of session data under keys made from SECRET_KEY: AES-256-GCM with random nonces.

Not safe against who has SECRET_KEY. Source: NIST SP 800-38D; random nonces are good for 2**32 texts under one key.
"""

import os
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from django.utils.crypto import salted_hmac

from ..exceptions import InvalidBackend

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE_BYTES: Final = 12


def encrypt(purpose: str, secret: str | bytes, plain: bytes, bound: bytes) -> bytes:
    """Return ``plain`` encrypted; it opens with the same ``purpose`` and ``bound`` alone. Raises InvalidBackend."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + cipher(purpose, secret).encrypt(nonce, plain, bound)


def decrypt(purpose: str, secret: str | bytes, sealed: bytes, bound: bytes) -> bytes | None:
    """Return what encrypt() was given; None where it was not made by it. Raises InvalidBackend."""
    opener = cipher(purpose, secret)
    from cryptography.exceptions import InvalidTag

    try:
        return opener.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound)
    except (InvalidTag, ValueError):
        return None


@lru_cache(maxsize=16)
def cipher(purpose: str, secret: str | bytes) -> "AESGCM":
    """Return the cipher of a purpose."""
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError as error:
        raise InvalidBackend("encrypt=True needs cryptography: pip install 'django-dist[encrypted-cookies]'") from error
    return AESGCM(salted_hmac(purpose, "key", secret=secret, algorithm="sha256").digest())
