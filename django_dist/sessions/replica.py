"""One of several stores that hold copies of sessions: whether it answers, and what it has missed."""

import hashlib
import logging
import threading
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from django.conf import settings

from ..exceptions import SessionStoreUnavailable
from ..idempotency.digests import digest_of
from ..signals import session_replica_changed
from .place import ReplicaPlace, Row, Whole

log: Final = logging.getLogger("django_dist.sessions")
#: The version of what has ended; none is higher.
ENDED: Final = 2**62
#: How the name begins that what others have missed is kept under, in the place of a user's.
MISSED: Final = "~missed by "


class Replica:
    """A store, its circuit breaker, and the names that sessions have in it.

    Where it may have forgotten something (its epoch is another one) every session has another name in it: what was
    there before is not found, and comes anew from the others.
    """

    def __init__(self, name: str, place: ReplicaPlace) -> None:
        self.name, self.place = name, place
        self.is_up = True  # else it is asked again once in ``suspicion_ttl``, by look()
        self.is_behind = False  # it has missed something that another store remembers for it
        self._epoch: str | None = None
        self._lock = threading.Lock()

    def ask(self, method: str, *arguments: Any) -> Any:
        """Return what ``method`` of the store does; raises SessionStoreUnavailable, and notes it."""
        try:
            answer = getattr(self.place, method)(*arguments)
        except SessionStoreUnavailable as error:
            self._turned(False, error)
            raise
        self._turned(True)
        return answer

    def look(self) -> None:
        """Find out whether it answers, and whether it may have forgotten something."""
        self._epoch = self.ask("epoch")

    def _turned(self, is_up: bool, error: Exception | None = None) -> None:
        if self.is_up == is_up:
            return
        with self._lock:
            changed, self.is_up = self.is_up != is_up, is_up
        if changed:
            self._epoch = self._epoch if is_up else None
            level = logging.INFO if is_up else logging.ERROR
            log.log(level, "replica %r of sessions: %s", self.name, error or "it answers again")
            session_replica_changed.send_robust(sender=type(self), replica=self.name, is_up=is_up)

    # -- names --

    def key(self, digest: UUID) -> UUID:
        """Return what a session is called here; and the session, given that."""
        epoch = self._known_epoch()
        return UUID(int=digest.int ^ _mask(epoch)) if epoch else digest

    def user(self, user: str | None) -> str | None:
        """Return what a user is called here."""
        epoch = self._known_epoch()
        return f"{epoch[:8]}:{user}" if epoch and user is not None else user

    def _known_epoch(self) -> str:
        if (epoch := self._epoch) is None:
            epoch = self._epoch = str(self.ask("epoch"))
        return epoch

    # -- copies --

    def put(self, digest: UUID, version: int, row: Row) -> bool:
        """See ReplicaPlace.put()."""
        return bool(self.ask("put", self.key(digest), version, row._replace(user=self.user(row.user))))

    def bury(self, digest: UUID) -> None:
        """Let the session have ended, whatever version of it comes."""
        self.put(digest, ENDED, Row(b"", None, kept_s()))

    def whole(self, digest: UUID) -> Whole | None:
        """See ReplicaPlace.whole()."""
        found: Whole | None = self.ask("whole", self.key(digest))
        if found is None or found.row.user is None or not self._known_epoch():
            return found
        return found._replace(row=found.row._replace(user=found.row.user.partition(":")[2]))

    # -- what others have missed --

    def remember(self, other: str, digest: UUID) -> None:
        """Remember that ``other`` has missed what became of ``digest``."""
        name = digest_of(["missed", other, digest.bytes])
        self.put(name, 1, Row(digest.bytes, _waits(other), kept_s()))

    def missed_by(self, other: str, most: int) -> list[UUID]:
        """Return some of what ``other`` has missed."""
        found = self.ask("noted", self.user(_waits(other)), most)
        return [UUID(bytes=data) for _, data in found if len(data) == 16]

    def forget(self, other: str, digest: UUID) -> None:
        """Remember it no more."""
        self.ask("delete", self.key(digest_of(["missed", other, digest.bytes])))


def _waits(name: str) -> str:
    return f"{MISSED}{name}"[:48]


def kept_s() -> float:
    """Return the seconds that stores remember what has ended, and what others have missed: no copy lives as long."""
    return 2.0 * settings.SESSION_COOKIE_AGE


@lru_cache(maxsize=16)
def _mask(epoch: str) -> int:
    return int.from_bytes(hashlib.sha256(epoch.encode()).digest()[:16], "big")
