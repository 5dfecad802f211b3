"""A user's sessions: which there are, on what, and their end from elsewhere; found by an index, and none is decoded.

Not safe to show to others than the user: the list says when, from where and with what somebody was here.
"""

from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest

from ..exceptions import InvalidBackend, SessionLimitReached
from .options import options
from .place import Listed, SessionPlace
from .store import DistSession
from .users import name_of

#: What a session may be named by: the request that has it, itself, or the id of sessions_for().
Named = HttpRequest | DistSession | str | None


@dataclass(frozen=True)
class SessionInfo:
    """One session of a user. ``id`` is no cookie: it is good for revoke() alone."""

    id: str
    created_at: datetime  # or when the user logged in
    seen_at: datetime  # late by ``touch_every`` seconds at the most
    expires_at: datetime
    ip: str | None
    user_agent: str | None
    is_current: bool


def sessions_for(user: Any, current: Named = None) -> list[SessionInfo]:
    """Return the live sessions of ``user``, who may be given by the primary key, the last seen first.

    ``current`` tells which one is marked as such. Raises SessionStoreUnavailable, and InvalidBackend under an engine of
    others.
    """
    name, place = name_of(user), _place()
    return [] if name is None else _shown(place.listed(name), _digest(current))


async def asessions_for(user: Any, current: Named = None) -> list[SessionInfo]:
    """See sessions_for()."""
    name, place = name_of(user), _place()
    return [] if name is None else _shown(await place.alisted(name), _digest(current))


def revoke(session_id: str, *, user: Any = None) -> bool:
    """End a session by its id; return whether there was one. Raises as sessions_for().

    With ``user`` only one of that user's: to be given wherever the id comes from a browser. A request that runs in the
    session cannot undo it. A login or a change of password there gives it a new id: False then, so list again.
    """
    digest, name = _parsed(session_id), None if user is None else name_of(user)
    if digest is None or (user is not None and name is None):
        return False
    return _place().delete(digest, name)


async def arevoke(session_id: str, *, user: Any = None) -> bool:
    """See revoke()."""
    digest, name = _parsed(session_id), None if user is None else name_of(user)
    if digest is None or (user is not None and name is None):
        return False
    return await _place().adelete(digest, name)


def revoke_all(user: Any, *, except_session: Named = None) -> int:
    """End the sessions of ``user``, except one; return how many there were. Raises as sessions_for().

    Requests that run in them cannot undo it. Who logs in at the same moment may be in after it.
    """
    name, place = name_of(user), _place()
    return 0 if name is None else place.delete_all(name, _digest(except_session))


async def arevoke_all(user: Any, *, except_session: Named = None) -> int:
    """See revoke_all()."""
    name, place = name_of(user), _place()
    return 0 if name is None else await place.adelete_all(name, _digest(except_session))


def _place() -> SessionPlace:
    place = getattr(import_module(settings.SESSION_ENGINE).SessionStore(), "place", None)
    if not isinstance(place, SessionPlace):
        raise InvalidBackend(
            f"SESSION_ENGINE={settings.SESSION_ENGINE!r} knows no sessions of a user; "
            "django_dist.sessions.database and django_dist.sessions.redis do, and .cookie with revocation"
        )
    return place


def _shown(found: list[Listed], current: UUID | None) -> list[SessionInfo]:
    max_age = options().max_age
    return [
        SessionInfo(str(one.digest), one.created_at, one.seen_at, one.expires_at, *one.device, one.digest == current)
        for one in found
        if max_age is None or one.lived < max_age
    ]


def _parsed(session_id: str) -> UUID | None:
    try:
        return UUID(session_id)
    except (ValueError, AttributeError, TypeError):
        return None


def _digest(named: Named) -> UUID | None:
    """Return what the store knows a session by; raises ValueError for an id that is none."""
    session: Any = named.session if isinstance(named, HttpRequest) else named
    if isinstance(session, DistSession):
        return session.digest if session.session_key else None
    return None if session is None else UUID(session)


@receiver(user_logged_in, dispatch_uid="django_dist.sessions")
def refuse_one_too_many(request: Any, **_: Any) -> None:
    """Save a login where it may be refused, so that login() raises SessionLimitReached; nobody is logged in then."""
    session = getattr(request, "session", None)
    if options().max_per_user is None or options().on_max != "refuse" or not isinstance(session, DistSession):
        return
    try:
        session.save()
    except SessionLimitReached:
        for key in (SESSION_KEY, BACKEND_SESSION_KEY, HASH_SESSION_KEY):
            session.pop(key, None)
        request.user, request.auser = _nobody(), _anobody
        raise


def _nobody() -> Any:
    from django.contrib.auth.models import AnonymousUser  # a model: not there while apps are loaded

    return AnonymousUser()


async def _anobody() -> Any:
    return _nobody()
