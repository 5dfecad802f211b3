"""Calls of the engine that a site had before, which may be anybody's."""

import logging
from importlib import import_module
from typing import Any, Final

from ..exceptions import SessionStoreUnavailable
from .options import options

log: Final = logging.getLogger("django_dist.sessions")
LONGEST_COOKIE: Final = 4096


def read_former(value: str) -> dict[str, Any] | None:
    """Return what the former engine has for the cookie ``value``."""
    if (session := _session(value)) is None:
        return None
    try:
        data: dict[str, Any] = session.load()
    except Exception as error:
        raise _unavailable(error) from error
    return data if session.session_key else None


async def aread_former(value: str) -> dict[str, Any] | None:
    """See read_former()."""
    if (session := _session(value)) is None:
        return None
    try:
        data: dict[str, Any] = await session.aload()
    except Exception as error:
        raise _unavailable(error) from error
    return data if session.session_key else None


def delete_former(value: str) -> None:
    """Delete it from the former engine; one that fails is told, and what is here or marked as ended counts anyway."""
    try:
        _engine()().delete(value)
    except Exception as error:  # noqa: BLE001  (of an engine of anybody's)
        _tell(error)


async def adelete_former(value: str) -> None:
    """See delete_former()."""
    try:
        await _engine()().adelete(value)
    except Exception as error:  # noqa: BLE001  (of an engine of anybody's)
        _tell(error)


def _engine() -> Any:
    return import_module(options().read_from or "").SessionStore


def _session(value: str) -> Any:
    return _engine()(value) if len(value) <= LONGEST_COOKIE and "\0" not in value else None


def _unavailable(error: Exception) -> SessionStoreUnavailable:
    return SessionStoreUnavailable(f"the former engine {options().read_from!r} did not answer for a session: {error}")


def _tell(error: Exception) -> None:
    log.warning("the former engine %r kept a session that has moved or ended: %s", options().read_from, error)
