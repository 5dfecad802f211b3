"""The key of a session, which is its browser's cookie, and the digest that a store knows it by."""

import re
import secrets
import string
from typing import Final
from uuid import UUID

from django.utils.crypto import salted_hmac

from ..idempotency.digests import digest_of

CHARACTERS: Final = string.ascii_lowercase + string.digits
LENGTH: Final = 32
KEY: Final = re.compile(rf"[a-z0-9]{{{LENGTH}}}")
NO_KEY: Final = UUID(int=0)  # of what has no key yet; nothing is stored under it


def new_key() -> str:
    """Return a key that nobody guesses: 165 random bits, in the form of Django's, by one call to the system."""
    return _in_characters(secrets.randbelow(len(CHARACTERS) ** LENGTH))


def digest_of_key(key: str) -> UUID:
    """Return what a store knows the session of ``key`` by: nobody can make a cookie of it."""
    return digest_of(["session", key])


def digest_of_ended(digest: UUID) -> UUID:
    """Return what a store knows by that a session has ended, though a former engine may still have it."""
    return digest_of(["ended session", digest.bytes])


def key_of(value: str) -> str:
    """Return ``value`` if it is a key; else one that is made of it, and cannot be made without SECRET_KEY."""
    if KEY.fullmatch(value):
        return value
    number = int.from_bytes(salted_hmac("django_dist.sessions.key", value, algorithm="sha256").digest(), "big")
    return _in_characters(number)


def _in_characters(number: int) -> str:
    digits = []
    for _ in range(LENGTH):
        number, digit = divmod(number, len(CHARACTERS))
        digits.append(CHARACTERS[digit])
    return "".join(digits)
