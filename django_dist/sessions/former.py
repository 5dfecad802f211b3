"""Sessions of the engine that a site had before (``read_from``): each moves here when it is first looked at.

Nobody is logged out, and nobody who logs out is logged in again: what ends here leaves a mark, for the former engine
may still have it, and a request that has just read it there looks for the mark after it has stored it here.
"""

from typing import TYPE_CHECKING, Any, Final

from .keys import digest_of_ended, digest_of_key, key_of
from .place import Row

if TYPE_CHECKING:
    from .plans import Plan
    from .store import DistSession

MARK: Final = b""


def move(session: "DistSession", value: str) -> "Plan[dict[str, Any] | None]":
    """Store here what the former engine has for the cookie ``value``, and return it; None where there is nothing.

    ``session`` goes on under the same key, or under one that is made of a cookie which is none.
    """
    key = key_of(value)
    ended = digest_of_ended(digest_of_key(key))
    data = yield "read_former", value
    if not data or (yield "read_newest", ended) is not None:
        return None
    session._session_key, session._session_cache = key, data
    if (yield from session._insert(moves=True)):
        if (yield "read_newest", ended) is not None:
            yield "delete", session.digest
            return None
        yield "delete_former", value
    else:  # another request was quicker
        found = session._opened((yield "read_newest", session.digest))
        if found is None:
            return None
        session._loaded, data = found
    return data  # type: ignore[no-any-return]


def mark_ended(session: "DistSession", value: str) -> "Plan[None]":
    """Let nobody move the session of the cookie ``value`` here any more, as long as its cookie may live."""
    own = getattr(session, "_session_cache", {}).get("_session_expiry")
    ttl = float(max(session.get_session_cookie_age(), session.get_expiry_age(expiry=own)))
    yield "insert", digest_of_ended(digest_of_key(key_of(value))), Row(MARK, None, ttl)
