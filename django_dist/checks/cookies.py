"""Checks of the cookie that holds a session: whether a browser keeps it, and a proxy lets it pass."""

from typing import Final

from django.conf import settings
from django.core.checks import Error
from django.core.checks import Warning as Caution

from ..sessions.cookie_size import overhead
from ..sessions.options import options
from .base import Found, check

ENGINE: Final = "django_dist.sessions.cookie"
#: A signed cookie of a session that holds a login of Django's has about so many bytes.
LEAST_BYTES: Final = 300
BROWSER_BYTES: Final = 4096
#: Measured: nginx with default buffers lets a line of 3800 bytes pass, and answers 502 for one of 3900.
PROXY_BYTES: Final = 3800


@check
def check_cookie() -> Found:
    """E041, W041, W042."""
    if settings.SESSION_ENGINE != ENGINE:
        return
    limits = options()
    taken = overhead(int(settings.SESSION_COOKIE_AGE))
    if taken + LEAST_BYTES > limits.budget_bytes:
        yield Error(
            f"The name, domain, path and attributes of the session's cookie take {taken} of its {limits.budget_bytes} "
            "bytes: a login does not fit beside them.",
            hint="Shorten SESSION_COOKIE_NAME, SESSION_COOKIE_DOMAIN or SESSION_COOKIE_PATH, or raise 'budget_bytes'.",
            id="django_dist.E041",
        )
    if limits.hard_limit_bytes > BROWSER_BYTES:
        yield Caution(
            f"hard_limit_bytes is {limits.hard_limit_bytes}: a browser drops a cookie of more than {BROWSER_BYTES}.",
            hint="Leave 'hard_limit_bytes' at 4096, or below.",
            id="django_dist.W041",
        )
    if limits.budget_bytes > PROXY_BYTES:
        yield Caution(
            f"budget_bytes is {limits.budget_bytes}: nginx with default buffers answers 502 for a cookie's line of "
            f"more than {PROXY_BYTES}.",
            hint="Lower 'budget_bytes', or raise proxy_buffer_size and silence this check.",
            id="django_dist.W042",
        )
