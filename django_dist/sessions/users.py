"""How a store names a user: by the text of the primary key, as django.contrib.auth keeps it in the session."""

from typing import Any, Final

from ..idempotency.digests import digest_of

USER: Final = "_auth_user_id"
LONGEST_USER: Final = 64


def user_of(data: dict[str, Any]) -> str | None:
    """Return whose session holds ``data``; None is nobody's."""
    return None if data.get(USER) is None else _name(str(data[USER]))


def only_user(data: dict[str, Any]) -> dict[str, Any]:
    """Return what a server keeps of a session whose data the browser has."""
    return {USER: data[USER]} if USER in data else {}


def name_of(user: Any) -> str | None:
    """Return the name of ``user``, a user or a primary key; None is nobody's. Raises ValueError for no key."""
    if getattr(user, "is_anonymous", False):
        return None
    if hasattr(user, "_meta"):
        text = None if user.pk is None else user._meta.pk.value_to_string(user)
    else:
        text = None if user is None else str(user)
    if text is None:
        raise ValueError("a user without a primary key has no sessions; of one that was deleted give the key it had")
    return _name(text)


def _name(text: str) -> str:
    return text if len(text) <= LONGEST_USER else digest_of(["user", text]).hex
