"""What the conformance suite of sessions stands on: an engine over a store, and requests one inside the other."""

from datetime import timedelta
from importlib import import_module
from typing import Any, ClassVar

from asgiref.sync import async_to_sync
from django.db import connections
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from ..clock import StoreTime
from ..models import StoredSession
from .case import DatabaseCase


class SessionHarness(DatabaseCase):
    """``engine`` over ``database``; a store that is no database overrides what looks into it."""

    engine: ClassVar[str] = "django_dist.sessions.database"
    #: Whether what a session does on its store is done by its coroutines.
    asynchronous: ClassVar[bool] = False

    def setUp(self) -> None:
        super().setUp()
        store = import_module(self.engine).SessionStore
        self.store = by_coroutines(store) if self.asynchronous else store
        self.with_options()

    def with_options(self, **options: Any) -> None:
        """Let the engine have these options, for the rest of the test."""
        given = {"default": {"OPTIONS": {"database": self.database, **options}}}
        settings = override_settings(SESSION_ENGINE=self.engine, DIST_SESSIONS=given)
        settings.enable()
        self.addCleanup(settings.disable)

    def empty(self) -> None:
        """See DatabaseCase.empty()."""
        super().empty()
        StoredSession.objects.using(self.database).all().delete()

    # -- what is stored --

    def row(self, key: str) -> Any:
        """Return the row of ``key``, as a query."""
        return StoredSession.objects.using(self.database).for_key(key)

    def count(self) -> int:
        """Return how many sessions are stored."""
        return int(StoredSession.objects.using(self.database).count())

    def data_of(self, key: str) -> bytes:
        """Return what is stored of a session."""
        return bytes(self.row(key).get().data)

    def plant(self, key: str, data: bytes) -> None:
        """Store ``data`` under a live key."""
        self.row(key).update(data=data)

    def left(self, key: str) -> float:
        """Return the seconds until a session ends, from when it was last written or touched."""
        row = self.row(key).get()
        return float((row.expires_at - row.seen_at).total_seconds())

    def end(self, key: str) -> None:
        """Let a session be over."""
        self.row(key).update(expires_at=StoreTime(-1))

    def age(self, key: str, seconds: float, *, created: bool = False) -> None:
        """Let a session have been seen, or created, so much earlier."""
        row = self.row(key).get()
        column = "created_at" if created else "seen_at"
        self.row(key).update(**{column: getattr(row, column) - timedelta(seconds=seconds)})

    # -- what requests do --

    def login(self, user: Any = "7", **data: Any) -> str:
        """Let ``user`` be logged in as Django does it, and return the key of the session."""
        session = self.store()
        session.cycle_key()
        session.update({"_auth_user_id": user, **data})
        session.save()
        return str(session.session_key)

    def saved(self, **data: Any) -> str:
        """Store a session, and return its key."""
        session = self.store()
        session.update(data)
        session.save()
        return str(session.session_key)

    def opened(self, key: str) -> Any:
        """Return the session of a request that has looked into it."""
        session = self.store(key)
        session.get("anything")
        return session

    def now(self, key: str) -> dict[str, Any]:
        """Return what the next request finds."""
        return dict(self.store(key).items())

    def asked(self, call: Any) -> int:
        """Return how often ``call`` asks the store."""
        with CaptureQueriesContext(connections[self.database]) as seen:
            call()
        return len(seen)


def by_coroutines(store: Any) -> Any:
    """Return ``store`` with the coroutine of each method in its place."""

    def driven(name: str) -> Any:
        def call(self: Any, *args: Any, **keywords: Any) -> Any:
            return async_to_sync(getattr(self, f"a{name}"))(*args, **keywords)

        return call

    names = ("load", "save", "create", "cycle_key", "exists", "delete", "flush", "touch")
    return type("SessionStore", (store,), {name: driven(name) for name in names})
