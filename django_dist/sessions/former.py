"""Sessions of the engine that a site had before (``read_from``): each moves here when it is first looked at, once.

What has moved, or has ended here, leaves a mark: the former engine may still have a copy, and it is not read again,
however the session ends. A request that is about to move what another one ends finds the mark when it sets its own.
"""

from typing import TYPE_CHECKING, Any, Final

from .keys import digest_of_ended, digest_of_key, key_of
from .place import Row

if TYPE_CHECKING:
    from .plans import Plan
    from .store import DistSession

MARK: Final = b""
MARK_S: Final = 400 * 86_400.0  # no browser keeps a cookie longer (RFC 6265bis)


def move(session: "DistSession", value: str) -> "Plan[dict[str, Any] | None]":
    """Store here what the former engine has for the cookie ``value``, and return it; None where there is nothing.

    ``session`` goes on under the same key, or under one that is made of a cookie which is none.
    """
    key = key_of(value)
    data = yield "read_former", value
    if not data:
        return None
    ended = digest_of_ended(digest_of_key(key))
    session._session_key, session._session_cache = key, data
    if (yield "read_newest", ended) is None and (yield from session._insert(moves=True)):
        if (yield "insert", ended, Row(MARK, None, MARK_S)):
            yield "delete_former", value
            return data  # type: ignore[no-any-return]
        yield "delete", session.digest  # it has ended in between
        return None
    found = session._opened((yield "read_newest", session.digest))  # another request was quicker, or it has ended
    if found is None:
        return None
    session._loaded, data = found
    return data


def mark_ended(value: str) -> "Plan[None]":
    """Let nobody move the session of the cookie ``value`` here any more."""
    yield "insert", digest_of_ended(digest_of_key(key_of(value))), Row(MARK, None, MARK_S)
