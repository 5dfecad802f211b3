"""What ``DIST_SESSIONS["default"]["OPTIONS"]`` may hold, checked once."""

from dataclasses import dataclass, fields
from functools import cache
from importlib import import_module
from typing import Any, Final

from django.contrib.sessions.backends.base import SessionBase
from django.core.signals import setting_changed

from ..conf import configured
from ..exceptions import InvalidBackend

OURS: Final = "django_dist."
WHERE: Final = "DIST_SESSIONS['default']"


@dataclass(frozen=True, kw_only=True)
class Options:
    """How sessions live; times in seconds, by the store's clock."""

    #: The database that holds them; None is that of the router.
    database: str | None = None
    #: Whether what a request reads may be read where the router reads: then what has ended is read there until the
    #: replica knows.
    replica_reads: bool = False
    #: The alias of CACHES, made with django-redis, whose Redis holds them, and what their keys begin with.
    connection: str = "default"
    prefix: str = "dist:session:"
    #: Reading a session puts its end off, at most once in so long.
    touch_every: float = 300.0
    #: A session ends so long after it was created or its user logged in, however busy it is; None is never.
    max_age: float | None = None
    #: Where two requests changed one key: "last" writer wins, or "raise" SessionConflict.
    on_conflict: str = "last"
    #: Where the store does not answer: "refuse" with 503, or serve as "anonymous" without a session.
    on_unavailable: str = "refuse"
    #: Encrypt what is stored, or the cookie of the engine "cookie"; what is not encrypted is read, too.
    encrypt: bool = False
    #: The engine that the site had before: a session that is not here is looked for there, and moves.
    read_from: str | None = None
    #: Of the engine "cookie": the most bytes of its Set-Cookie line, and of the cookie's name and value.
    budget_bytes: int = 3500
    hard_limit_bytes: int = 4096
    #: What is longer: "raise" CookieTooLarge, "spill" the data to the server, or "refuse": the old cookie stays.
    on_overflow: str = "raise"
    #: Keep a row a session on the server, so that a logout ends copies of the cookie, too; how long, in seconds,
    #: a process may go without asking for it.
    revocation: bool = False
    revocation_ttl: float = 0.0
    #: The engine on the server that "spill" and ``revocation`` use.
    server_engine: str = "django_dist.sessions.database"
    #: Of the engine "replicated": where copies lie, in the order in which they are read: "redis" or "database", with
    #: ":" and an alias of CACHES or DATABASES where it is not the one above.
    replicas: tuple[str, ...] = ("redis", "database")
    #: How many of them must have a write: a number, or "all".
    write_quorum: int | str = 1
    #: How often, in seconds, a process looks whether a replica has missed something, and a failed one is tried again.
    suspicion_ttl: float = 2.0
    #: How many live sessions a user may have; None is any number. One more: "end_oldest" login, or "refuse" it.
    max_per_user: int | None = None
    on_max: str = "end_oldest"
    #: Of the client: the IP address "full" or "truncated" (to /24, or /48 of IPv6), and the User-Agent header.
    record_ip: str = "no"
    record_user_agent: bool = False

    def __post_init__(self) -> None:
        self._one_of("on_conflict", "last", "raise")
        self._one_of("on_unavailable", "refuse", "anonymous")
        self._one_of("on_overflow", "raise", "spill", "refuse")
        self._one_of("on_max", "end_oldest", "refuse")
        self._one_of("record_ip", "no", "full", "truncated")
        most = self.max_per_user
        if most is not None and (isinstance(most, bool) or not isinstance(most, int) or most < 1):
            raise InvalidBackend(f"{WHERE}: max_per_user={most!r} must be a number of sessions, at least 1")
        for name, least in (
            ("touch_every", 0),
            ("suspicion_ttl", 0),
            ("max_age", 1),
            ("revocation_ttl", 0),
            ("budget_bytes", 100),
            ("hard_limit_bytes", 100),
        ):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or value < least):
                raise InvalidBackend(f"{WHERE}: {name}={value!r} must be a number, at least {least}")

        self._check_replicas()
        self._check_former()

    def _check_replicas(self) -> None:
        kinds = [name.partition(":")[0] for name in self.replicas]
        if isinstance(self.replicas, str) or len(set(self.replicas)) < 2 or not set(kinds) <= {"redis", "database"}:
            raise InvalidBackend(
                f"{WHERE}: replicas={self.replicas!r} must name two or more stores, each 'redis' or 'database', with "
                "':' and an alias where there are two of a kind"
            )
        quorum = self.write_quorum
        if quorum != "all" and (isinstance(quorum, (bool, str)) or not 1 <= quorum <= len(self.replicas)):
            raise InvalidBackend(f"{WHERE}: write_quorum={quorum!r} must be 'all', or 1 to {len(self.replicas)}")

    def _check_former(self) -> None:
        if self.read_from is None:
            return
        try:
            found = import_module(self.read_from).SessionStore
        except (ImportError, AttributeError, TypeError, ValueError):
            found = None
        if not isinstance(found, type) or not issubclass(found, SessionBase) or found.__module__.startswith(OURS):
            raise InvalidBackend(
                f"{WHERE}: read_from={self.read_from!r} must be the module of the session engine that the site had "
                "before, such as 'django.contrib.sessions.backends.db'"
            )

    def _one_of(self, name: str, *choices: str) -> None:
        if getattr(self, name) not in choices:
            raise InvalidBackend(f"{WHERE}: {name}={getattr(self, name)!r} must be one of {sorted(choices)}")


@cache
def options() -> Options:
    """Return the options of this site; raises InvalidBackend for one that is not there."""
    entry = configured("DIST_SESSIONS")["default"]
    if unknown := sorted(set(entry) - {"OPTIONS"}):
        raise InvalidBackend(f"{WHERE}: unknown entries {unknown}; accepted is 'OPTIONS'")
    given: dict[str, Any] = entry.get("OPTIONS", {})
    accepted = sorted(field.name for field in fields(Options))
    if unknown := sorted(set(given) - set(accepted)):
        raise InvalidBackend(f"{WHERE}: unknown OPTIONS {unknown}; accepted are {accepted}")
    return Options(**given)


def _forget(**_: Any) -> None:
    options.cache_clear()


setting_changed.connect(_forget)
