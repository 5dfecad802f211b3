"""Read the idempotency key of a request: which header, which form, one identity a key."""

import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import Final

from django.http import HttpRequest

from ..exceptions import KeyMalformed

EXAMPLE: Final = "9f8c3a52-6f5b-4f0e-8a3c-2d1b7e4a9c10"
UUID_FORM: Final = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
OPAQUE_FORM: Final = re.compile(r"[!-~]{1,255}")
LONGEST: Final = 1024  # characters of a header that are looked at; two quoted keys of 255 fit
# a Structured Field string: RFC 9651, section 3.3.3
QUOTED: Final = re.compile(r'"((?:[ !#-\[\]-~]|\\["\\])*)"')
_SEVERAL: Final = re.compile(r'[\s",]')  # else there is one bare value
ITEM: Final = re.compile(r'(?:\s*("(?:[^"\\]|\\.)*")\s*|([^",]*))(?:,|$)')  # no two blanks side by side: linear


def _uuid(value: str, version: str | None = None) -> str | None:
    if not UUID_FORM.fullmatch(value):
        return None
    digits = value.replace("-", "").lower()
    strict = version is None or (digits[12] == version and digits[16] in "89ab")
    return digits if strict else None


#: What each ``key_format`` makes of a value: the key's one identity, or None.
FORMATS: Final[dict[str, tuple[Callable[[str], str | None], str]]] = {
    "uuid": (_uuid, "32 hexadecimal digits, with or without hyphens"),
    "uuid4": (lambda value: _uuid(value, "4"), "a UUID of version 4"),
    "uuid7": (lambda value: _uuid(value, "7"), "a UUID of version 7"),
    "opaque": (lambda value: value if OPAQUE_FORM.fullmatch(value) else None, "1 to 255 visible ASCII characters"),
}


@cache
def meta_name(header: str) -> str:
    """Return the name of ``header`` in ``request.META``."""
    return "HTTP_" + header.upper().replace("-", "_")


def header_value(request: HttpRequest, names: Iterable[str]) -> tuple[str, str] | None:
    """Return name and raw value of the first of ``names`` that ``request`` carries."""
    for name in names:
        value = request.META.get(meta_name(name))
        if value is not None:
            return name, value
    return None


def parse_key(name: str, raw: str, key_format: str) -> str:
    """Return the identity of the key in header ``name``: ``"k"`` and ``k`` are one key.

    Raises KeyMalformed for another form, and for several different keys; a header sent twice
    arrives joined by a comma, so an opaque key that holds one must be quoted.
    """
    identify, form = FORMATS[key_format]
    if len(raw) > LONGEST:
        raise _malformed(name, form, f"it has {len(raw)} characters")
    keys = {identify(_unquoted(item)) for item in _items(raw)} if _SEVERAL.search(raw) else {identify(raw)}
    if None in keys or not keys:
        raise _malformed(name, form, "it has another form")
    if len(keys) > 1:
        raise _malformed(name, form, "there are two different ones")
    (key,) = keys
    assert key is not None  # noqa: S101  (told to the type checker)
    return key


def _items(raw: str) -> list[str]:
    """Split a header's value at the commas outside of quotes."""
    items: list[str] = []
    position = 0
    while position < len(raw) or not items:
        match = ITEM.match(raw, position)
        if match is None:
            return [raw]
        items.append((match[1] or match[2]).strip())
        position = match.end()
    return items


def _unquoted(item: str) -> str:
    quoted = QUOTED.fullmatch(item)
    return re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else item


def _malformed(name: str, form: str, why: str) -> KeyMalformed:
    return KeyMalformed(f'The header {name} must hold one key of {form}; {why}. Example: {name}: "{EXAMPLE}"')
