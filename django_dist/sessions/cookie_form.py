"""What stands in the browser's cookie: the session's text, compressed where that helps, signed or encrypted.

Not secret unless it is encrypted: whoever has the cookie reads the data. Sources: Django's signing (HMAC-SHA256);
AES-GCM with random nonces, NIST SP 800-38D: good for 2**32 cookies under one SECRET_KEY.
"""

import base64
import binascii
import hashlib
import hmac
import logging
import time
import zlib
from functools import lru_cache
from typing import Final, NamedTuple

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.encoding import force_bytes

from . import cipher
from .packing import inflated

log: Final = logging.getLogger("django.security.SuspiciousSession")
PURPOSE: Final = "django_dist.sessions.cookie"
#: What is compressed may be as much larger as this and no more: a small cookie could stand for gigabytes.
INFLATED_BYTES: Final = 2**20
#: No cookie that a browser keeps is longer.
LONGEST: Final = 4096
PACKED: Final = "."
ENCRYPTED: Final = "e."


class Content(NamedTuple):
    """What a cookie says; times in whole seconds of the web server's clock."""

    written_at: int
    lived: int  # seconds that the session had lived when this was written
    sid: str  # by which a server store knows it; empty where none does
    text: bytes


class Read(NamedTuple):
    """A cookie that was found good, and whether the next answer is to bring it in its present form."""

    content: Content
    is_stale: bool


def write(content: Content, *, encrypt: bool) -> str:
    """Return the value of the cookie."""
    body = b"%d %d %s\n%s" % (content.written_at, content.lived, content.sid.encode(), content.text)
    packed = zlib.compress(body)
    is_packed = len(packed) < len(body) - 1
    if encrypt:
        plain = (b"z" if is_packed else b"j") + (packed if is_packed else body)
        sealed = cipher.encrypt(PURPOSE, settings.SECRET_KEY, plain, _salt().encode())
        return ENCRYPTED + _armoured(_key_id(settings.SECRET_KEY) + sealed)
    payload = PACKED + _armoured(packed) if is_packed else _armoured(body)
    return f"{payload}:{_signature(payload, settings.SECRET_KEY)}"


def read(value: str, *, encrypt: bool) -> Read | None:
    """Return what ``value`` says; None, and a line in the security log, where this site has not written it."""
    if len(value) > LONGEST or not value.isascii():
        return None
    is_encrypted = value.startswith(ENCRYPTED)
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        body = _decrypted(value, secret) if is_encrypted else _verified(value, secret)
        if body is not None:
            content = _content(body)
            stale = secret != settings.SECRET_KEY or is_encrypted != encrypt
            return None if content is None else Read(content, stale)
    if is_encrypted or ":" in value:
        log.warning("Session data corrupted: the cookie was not written by this site, or not under this name")
    return None


def now() -> int:
    """Return the web server's time, which is all the time that a cookie has."""
    return int(time.time())


def _verified(value: str, secret: str | bytes) -> bytes | None:
    payload, _, signature = value.rpartition(":")
    if not payload or not constant_time_compare(signature, _signature(payload, secret)):
        return None
    raw = _raw(payload.removeprefix(PACKED))
    return raw if raw is None or not payload.startswith(PACKED) else _inflated(raw)


def _decrypted(value: str, secret: str | bytes) -> bytes | None:
    raw = _raw(value.removeprefix(ENCRYPTED))
    if raw is None or raw[:1] != _key_id(secret):
        return None
    plain = cipher.decrypt(PURPOSE, secret, raw[1:], _salt().encode())
    if plain is None:
        return None
    return _inflated(plain[1:]) if plain[:1] == b"z" else plain[1:]


def _content(body: bytes) -> Content | None:
    head, newline, text = body.partition(b"\n")
    written_at, lived, sid = head.split(b" ") if newline else (b"", b"", b"")
    return Content(int(written_at), int(lived), sid.decode(), text) if newline else None


def _inflated(packed: bytes) -> bytes:
    """Return what ``packed`` stands for; nothing where that is too much."""
    return inflated(packed, INFLATED_BYTES) or b""


def _armoured(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _raw(armoured: str) -> bytes | None:
    try:
        return base64.urlsafe_b64decode(armoured + "=" * (-len(armoured) % 4))
    except (binascii.Error, ValueError):
        return None


def _salt() -> str:
    """Return what binds a cookie to its purpose and its name."""
    return f"{PURPOSE}:{settings.SESSION_COOKIE_NAME}"


def _signature(payload: str, secret: str | bytes) -> str:
    """Return what Django's Signer would, whose key is made anew each time."""
    return _armoured(hmac.digest(_signing_key(secret, _salt()), payload.encode(), "sha256"))


@lru_cache(maxsize=16)
def _signing_key(secret: str | bytes, salt: str) -> bytes:
    return hashlib.sha256(f"{salt}signer".encode() + force_bytes(secret)).digest()


@lru_cache(maxsize=16)
def _key_id(secret: str | bytes) -> bytes:
    """Return a byte that tells the keys of a rotation apart, most of the time, before they are tried."""
    return salted_hmac(PURPOSE, "key id", secret=secret, algorithm="sha256").digest()[:1]
