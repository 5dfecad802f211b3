"""What stands on the server beside sessions in cookies, where they can be revoked or may spill over."""

import time
from importlib import import_module
from typing import Final

from . import cookie_form
from .keys import KEY
from .options import options
from .store import DistSession

#: Sessions that a process remembers to be alive, for revocation_ttl.
MOST_REMEMBERED: Final = 10_000
alive: Final[dict[str, float]] = {}  # by the id on the server, until when of the monotonic clock


def has_server() -> bool:
    """Return whether anything stands on the server."""
    return options().revocation or options().on_overflow == "spill"


def server_engine() -> type[DistSession]:
    """Return the engine that it stands in."""
    engine: type[DistSession] = import_module(options().server_engine).SessionStore
    return engine


def server_of(value: str) -> DistSession | None:
    """Return the session of the server that the cookie ``value`` names, if any."""
    if not value or not has_server():
        return None
    if KEY.fullmatch(value):
        return server_engine()(value)
    found = cookie_form.read(value, encrypt=options().encrypt)
    return None if found is None or not found.content.sid else server_engine()(found.content.sid)


def remember(sid: str) -> None:
    """Do not ask for ``sid`` again in the next ``revocation_ttl`` seconds."""
    if ttl := options().revocation_ttl:
        if len(alive) >= MOST_REMEMBERED:
            alive.clear()
        alive[sid] = time.monotonic() + ttl
