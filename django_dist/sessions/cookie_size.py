"""How long the cookie's line may be: what a browser drops, and what a proxy answers 502 for, never leaves.

Sources: RFC 6265bis, section 5.7 (4096 bytes of name and value); measured: Chromium drops 4097 without a word, and
nginx with default buffers answers 502 where the head of an answer has a cookie of 3900 bytes.
"""

import logging
from functools import lru_cache
from typing import Any, Final

from django.conf import settings
from django.http import HttpResponse

from ..exceptions import CookieTooLarge
from .options import options

log: Final = logging.getLogger("django_dist.sessions")
WARN_AT: Final = 0.8
EXPIRES: Final = "Thu, 01 Jan 1970 00:00:00 GMT"


def check(value: str, age: int | None, data: dict[str, Any], text: Any) -> None:
    """Raise CookieTooLarge where the line for ``value`` is over the budget; ``age`` is None until the browser closes.

    ``text`` makes the text of a value, to tell the largest keys by.
    """
    limits = options()
    name_and_value = len(settings.SESSION_COOKIE_NAME) + len(value)
    line = overhead(age) + len(value)
    for size, limit, what in (
        (line, limits.budget_bytes, "its Set-Cookie line; budget_bytes"),
        (name_and_value, limits.hard_limit_bytes, "its name and value; hard_limit_bytes"),
    ):
        if size > limit:
            largest = _largest(data, text)
            raise CookieTooLarge(
                f"the session's cookie takes {size} bytes by {what} is {limit}. Largest are "
                f"{', '.join(f'{key!r} ({length})' for key, length in largest)}: keep them on the server",
                size_bytes=size,
                limit_bytes=limit,
                largest=largest,
            )
    if line > WARN_AT * limits.budget_bytes:
        log.warning(
            "the session's cookie takes %d of %d bytes; largest: %s", line, limits.budget_bytes, _largest(data, text)
        )


def overhead(age: int | None) -> int:
    """Return the bytes of the Set-Cookie line beside the value."""
    return _overhead(
        age,
        settings.SESSION_COOKIE_NAME,
        settings.SESSION_COOKIE_PATH,
        settings.SESSION_COOKIE_DOMAIN,
        bool(settings.SESSION_COOKIE_SECURE),
        bool(settings.SESSION_COOKIE_HTTPONLY),
        settings.SESSION_COOKIE_SAMESITE,
    )


@lru_cache(maxsize=64)
def _overhead(
    age: int | None, name: str, path: str, domain: str | None, secure: bool, httponly: bool, samesite: Any
) -> int:
    response = HttpResponse()
    response.set_cookie(
        name,
        "v",
        max_age=age,
        expires=None if age is None else EXPIRES,
        path=path,
        domain=domain,
        secure=secure,
        httponly=httponly,
        samesite=samesite,
    )
    return len(response.cookies[name].output().encode()) - 1


def _largest(data: dict[str, Any], text: Any) -> list[tuple[str, int]]:
    """Return the three keys that take the most, with their bytes as text."""
    return sorted(((key, len(text([value]))) for key, value in data.items()), key=lambda each: -each[1])[:3]
