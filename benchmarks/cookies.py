"""What a session in the cookie costs beside Django's signed_cookies, and how long the cookies are.

Whole requests through the middleware, in turn and in a new random order each round; figures are medians. No time is
asserted: bars are ratios, printed with PASS or FAIL. No store is asked, so none is needed.
"""

import argparse
import base64
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

sys.path.append(str(Path(__file__).resolve().parent.parent))  # the package as it lies here, if none is installed

import django
from django.conf import settings
from django.contrib.sessions.backends import signed_cookies
from django.contrib.sessions.middleware import SessionMiddleware as DjangosMiddleware
from django.http import HttpResponse
from django.test import RequestFactory, override_settings

from harness import Bar, rounds, tell

WARM_UP = 50
OURS, ENCRYPTED, DJANGOS = "django_dist.sessions.cookie", "the same, encrypted", "django signed_cookies"
ENTRY = {"sku": "A-10442", "count": 2, "price": "19.99"}


def main() -> int:
    """Measure; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--samples", type=int, default=1500, help="rounds; each calls every subject (default: %(default)s)"
    )
    parser.add_argument("--strict", action="store_true", help="exit 1 unless every bar passes")
    options = parser.parse_args()
    settings.configure(SECRET_KEY="benchmark" * 6, INSTALLED_APPS=["django_dist"], DATABASES={}, USE_TZ=True)
    django.setup()
    print(f"\n# Django {django.__version__}, Python {sys.version.split()[0]}")
    lengths()
    bars = [bar for size in (100, 1000) for bar in times(size, options.samples)]
    print("\nbars: ratio of medians [90% of bootstrap samples]")
    print("\n".join(str(bar) for bar in bars))
    return int(options.strict and any(bar.verdict != "PASS" for bar in bars))


def data_of(size: int) -> dict[str, Any]:
    """Return a session of a login and a basket, ``size`` bytes long as JSON."""
    data: dict[str, Any] = {"_auth_user_id": "4711", "basket": []}
    while len(json.dumps(data)) + len(json.dumps(ENTRY)) + 4 < size - 20:
        data["basket"].append({**ENTRY, "sku": f"A-{10442 + 7919 * len(data['basket']) % 89999}"})
    data["note"] = ""
    data["note"] = "n" * max(0, size - len(json.dumps(data)))
    return data


# -- times --


def times(size: int, samples: int) -> list[Bar]:
    """Print what reading and changing a session of ``size`` bytes takes, signed and encrypted; return the bars."""
    found = []
    for name, most, encrypt in ((OURS, 1.0, False), (ENCRYPTED, 1.5, True)):
        with override_settings(DIST_SESSIONS={"default": {"OPTIONS": {"encrypt": encrypt}}}):
            calls = {**requests(name, data_of(size)), **requests(DJANGOS, data_of(size))}
            for call in calls.values():
                for _ in range(WARM_UP):
                    call()
            series = rounds(calls, samples, f"{name}, {size} bytes")
        medians = "".join(f"\n  {each:45} {series.median(each) * 1e6:6.0f} us" for each in calls)
        print(f"\na session of {size} bytes{medians}")
        found += [
            Bar(
                f"{name}: {what}, {size} bytes, to {DJANGOS}",
                most,
                series.ratio(f"{name}: {what}", f"{DJANGOS}: {what}"),
            )
            for what in ("read", "modify")
        ]
    return found


def requests(name: str, data: dict[str, Any]) -> dict[str, Callable[[], float]]:
    """Return the calls of one engine: whole requests through its middleware."""
    from django_dist.sessions import SessionMiddleware
    from django_dist.sessions.cookie import SessionStore

    engine = signed_cookies.SessionStore if name == DJANGOS else SessionStore
    value, factory, calls = cookie(engine, data), RequestFactory(), {}
    for view in (read, modify):
        handler: Any = (DjangosMiddleware if name == DJANGOS else SessionMiddleware)(view)
        handler.store = handler.SessionStore = engine

        def call(handler: Any = handler) -> float:
            asked = factory.get("/")
            asked.COOKIES["sessionid"] = value
            began = time.perf_counter()
            handler(asked)
            return time.perf_counter() - began

        calls[f"{name}: {view.__name__}"] = call
    return calls


def read(request: Any) -> HttpResponse:
    """Look into the session."""
    request.session.get("note")
    return HttpResponse()


def modify(request: Any) -> HttpResponse:
    """Change what was read."""
    request.session["count"] = request.session.get("count", 0) + 1
    return HttpResponse()


def cookie(engine: Any, data: dict[str, Any]) -> str:
    """Return the cookie of a session that holds ``data``."""
    session = engine()
    session.update(data)
    session.save()
    return str(session.session_key)


# -- lengths --


def lengths() -> None:
    """Print the bytes of the cookie's value."""
    from django_dist.sessions.cookie import SessionStore

    print("\nbytes of the cookie's value, for a session of so many bytes as JSON")
    print(f"  {'':45} {100:>6} {1000:>6} {3000:>6}")
    made: dict[str, Callable[[dict[str, Any]], str]] = {
        OURS: lambda data: cookie(SessionStore, data),
        ENCRYPTED: lambda data: encrypted(SessionStore, data),
        DJANGOS: lambda data: cookie(signed_cookies.SessionStore, data),
        "itsdangerous, URLSafeTimedSerializer (Flask's)": itsdangerous,
        "Rails 7, by its documented form": rails,
    }
    for name, make in made.items():
        print(f"  {name:45} " + " ".join(f"{len(make(data_of(size))):6}" for size in (100, 1000, 3000)))


def encrypted(engine: Any, data: dict[str, Any]) -> str:
    """See cookie()."""
    with override_settings(DIST_SESSIONS={"default": {"OPTIONS": {"encrypt": True}}}):
        return cookie(engine, data)


def itsdangerous(data: dict[str, Any]) -> str:
    """Return the cookie as Flask makes it."""
    from itsdangerous import URLSafeTimedSerializer

    return str(URLSafeTimedSerializer(settings.SECRET_KEY, salt="cookie-session").dumps(data))


def rails(data: dict[str, Any]) -> str:
    """Return a cookie as long as that of Rails: AES-256-GCM, nothing compressed, base64 twice, then escaped.

    Source: the Ruby on Rails API, ActiveSupport::MessageEncryptor: ``data--nonce--tag`` of a message with its purpose.
    """
    message = base64.b64encode(json.dumps(data, separators=(",", ":")).encode()).decode()
    envelope = json.dumps(
        {"_rails": {"message": message, "exp": None, "pur": "cookie._session"}}, separators=(",", ":")
    )
    parts = (b"x" * len(envelope), b"n" * 12, b"t" * 16)
    return quote("--".join(base64.b64encode(part).decode() for part in parts), safe="")


if __name__ == "__main__":
    tell("about half a minute")
    sys.exit(main())
