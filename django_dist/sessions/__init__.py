"""Sessions that every node sees and no overlapping request loses: ``SESSION_ENGINE = "django_dist.sessions.database"``.

Not safe where two sites share a table and a SECRET_KEY: they would share their sessions, too.
"""

from .middleware import SessionMiddleware

__all__ = ["SessionMiddleware"]
