"""Sessions that every node sees and no overlapping request loses: ``SESSION_ENGINE = "django_dist.sessions.database"``.

Not safe where two sites share a table and a SECRET_KEY: they would share their sessions, too.
"""

from .middleware import SessionMiddleware
from .people import SessionInfo, arevoke, arevoke_all, asessions_for, revoke, revoke_all, sessions_for

__all__ = [
    "SessionInfo",
    "SessionMiddleware",
    "arevoke",
    "arevoke_all",
    "asessions_for",
    "revoke",
    "revoke_all",
    "sessions_for",
]
