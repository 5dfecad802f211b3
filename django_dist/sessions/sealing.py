"""Session data at rest: JSON, compressed where that is worth it, signed, and bound to its own key.

Not secret unless it is encrypted: whoever reads the store reads the data, though never a cookie. An encrypted
text is signed as well, so that its signature tells which SECRET_KEY opens it.
"""

import hashlib
import hmac
import logging
import zlib
from functools import lru_cache
from typing import Final
from uuid import UUID

from django.conf import settings
from django.utils.crypto import constant_time_compare
from django.utils.encoding import force_bytes

from . import cipher
from .options import options
from .packing import inflated

log: Final = logging.getLogger("django.security.SuspiciousSession")
SALT: Final = "django_dist.sessions"
#: Below this zlib gains little and takes longer than the store.
COMPRESS_BYTES: Final = 512
#: What is compressed stands for no more.
INFLATED_BYTES: Final = 2**24
MAC_BYTES: Final = 32
PLAIN, PACKED, ENCRYPTED = b"j", b"z", b"e"


def seal(digest: UUID, text: bytes) -> bytes:
    """Return ``text`` as it is stored under ``digest``, and is read under no other."""
    packed = zlib.compress(text, 1) if len(text) >= COMPRESS_BYTES else text
    body = PACKED + packed if len(packed) < len(text) else PLAIN + text
    if options().encrypt:
        body = ENCRYPTED + cipher.encrypt(SALT, settings.SECRET_KEY, body, digest.bytes)
    return _mac(digest, body, settings.SECRET_KEY) + body


def unseal(digest: UUID, sealed: bytes) -> bytes | None:
    """Return the text that was sealed under ``digest``; None, and a line in the security log, for anything else."""
    mac, body = sealed[:MAC_BYTES], sealed[MAC_BYTES:]
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        if constant_time_compare(mac, _mac(digest, body, secret)):
            if (plain := _plain(digest, body, secret)) is not None:
                return plain
            break
    log.warning("Session data corrupted: it was not stored under this key, or not by this site")
    return None


def _plain(digest: UUID, body: bytes, secret: str | bytes) -> bytes | None:
    if body[:1] == ENCRYPTED:
        body = cipher.decrypt(SALT, secret, body[1:], digest.bytes) or b""
    return inflated(body[1:], INFLATED_BYTES) if body[:1] == PACKED else body[1:]


def _mac(digest: UUID, body: bytes, secret: str | bytes) -> bytes:
    """Return what Django's salted_hmac() does, whose key is made once."""
    return hmac.digest(_key(secret), digest.bytes + body, "sha256")


@lru_cache(maxsize=16)
def _key(secret: str | bytes) -> bytes:
    return hashlib.sha256(SALT.encode() + force_bytes(secret)).digest()
