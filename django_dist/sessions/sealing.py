"""Session data at rest: JSON, compressed where that is worth it, signed, and bound to its own key.

Not secret: whoever reads the store reads the data, though never a cookie.
"""

import logging
import zlib
from typing import Final
from uuid import UUID

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

log: Final = logging.getLogger("django.security.SuspiciousSession")
SALT: Final = "django_dist.sessions"
#: Below this zlib gains little and takes longer than the store.
COMPRESS_BYTES: Final = 512
MAC_BYTES: Final = 32
PLAIN, PACKED = b"j", b"z"


def seal(digest: UUID, text: bytes) -> bytes:
    """Return ``text`` as it is stored under ``digest``, and is read under no other."""
    packed = zlib.compress(text, 1) if len(text) >= COMPRESS_BYTES else text
    body = PACKED + packed if len(packed) < len(text) else PLAIN + text
    return _mac(digest, body, settings.SECRET_KEY) + body


def unseal(digest: UUID, sealed: bytes) -> bytes | None:
    """Return the text that was sealed under ``digest``; None, and a line in the security log, for anything else."""
    mac, body = sealed[:MAC_BYTES], sealed[MAC_BYTES:]
    secrets = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    if not any(constant_time_compare(mac, _mac(digest, body, secret)) for secret in secrets):
        log.warning("Session data corrupted: it was not stored under this key, or not by this site")
        return None
    return zlib.decompress(body[1:]) if body[:1] == PACKED else body[1:]


def _mac(digest: UUID, body: bytes, secret: str | bytes) -> bytes:
    return salted_hmac(SALT, digest.bytes + body, secret=secret, algorithm="sha256").digest()
