"""The session of one request over any place: loaded once, merged with what others saved, and ended for good."""

import logging
from collections.abc import Mapping
from typing import Any, ClassVar, Final
from uuid import UUID

from django.contrib.sessions.backends.base import CreateError, UpdateError

from ..exceptions import SessionLimitReached, SessionStoreUnavailable
from .changes import Data
from .device import device_of
from .former import mark_ended, move
from .keys import KEY, NO_KEY, digest_of_key, key_of, new_key
from .options import options
from .place import Row, SessionPlace, Stored
from .plans import Plan, arun, run
from .sealing import seal, unseal
from .tracked import Loaded, TrackedSession
from .users import user_of

log: Final = logging.getLogger("django_dist.sessions")
#: Tries of a save that others keep overtaking (each means that one of them went through), and of a new key.
MOST_TRIES: Final = 100
PURGE_BATCH: Final = 1000


class DistSession(TrackedSession):
    """Django's session, whose changes are put onto what stands in ``place``."""

    place: ClassVar[SessionPlace]

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self.unavailable: SessionStoreUnavailable | None = None  # once it has not answered, it is not asked again
        self._digested = "", NO_KEY
        self.meta: Mapping[str, Any] | None = None  # of the request, where our middleware has given it

    # -- loading --

    def load(self) -> Data:
        """Return the data; an empty session where there is none. Raises SessionStoreUnavailable."""
        return run(self.place, self._load())

    async def aload(self) -> Data:
        """See load()."""
        return await arun(self.place, self._load())

    def _load(self) -> Plan[Data]:
        refuses = options().on_unavailable == "refuse"
        if self.unavailable is not None:
            if refuses:
                raise self.unavailable
            return {}
        try:
            data = yield from self._found()
        except SessionStoreUnavailable as error:
            self.unavailable = error
            if refuses:
                raise
            log.error("served without a session: %s", error)
            return {}
        if data is None:
            self._session_key = self._loaded = None
        return data or {}

    def _found(self) -> Plan[Data | None]:
        """Return the data of what stands under the cookie, here or in the engine before; None where nothing does."""
        value, moves = self.session_key or "", options().read_from is not None
        if moves and value and key_of(value) != value:
            self._session_key, self.modified = key_of(value), True
        if KEY.fullmatch(self.session_key or ""):
            found = self._opened((yield "read", self.digest))
            if found is not None:
                self._loaded = found[0]
                return found[1]
            if moves:
                return (yield from move(self, value))
        return None

    def _opened(self, stored: Stored | None) -> tuple[Loaded, Data] | None:
        """Return what a store has found, opened; None where it has ended, or was not stored under this key."""
        max_age = options().max_age
        if stored is None or (max_age is not None and stored.lived >= max_age):
            return None
        text = unseal(self.digest, stored.data)
        if text is None:
            return None
        try:
            data: Data = self.serializer().loads(text)
        except ValueError:
            log.warning("Session data corrupted: it is not what SESSION_SERIALIZER writes")
            return None
        return Loaded(stored.version, stored.idle, stored.lived, text, user_of(data)), data

    @property
    def digest(self) -> UUID:
        """See digest_of_key()."""
        key = self.session_key or ""
        if self._digested[0] != key:
            self._digested = key, digest_of_key(key)
        return self._digested[1]

    # -- saving --

    def save(self, must_create: bool = False) -> None:
        """Put this request's changes onto what stands.

        Raises UpdateError where the session has ended meanwhile, CreateError where ``must_create`` and it exists,
        SessionConflict under on_conflict="raise", SessionLimitReached under on_max="refuse", SessionStoreUnavailable.
        """
        run(self.place, self._save(must_create))

    async def asave(self, must_create: bool = False) -> None:
        """See save()."""
        await arun(self.place, self._save(must_create))

    def _save(self, must_create: bool) -> Plan[None]:
        if self.unavailable is not None:
            raise self.unavailable
        if self.session_key is None:
            yield from self._create()
        elif must_create:
            if not (yield from self._insert()):
                raise CreateError
        elif not (yield from self._write("update")):
            raise UpdateError

    def _write(self, how: str, *new: UUID) -> Plan[bool]:
        """Put the changes onto what stands; return False where nothing stands any more."""
        if not hasattr(self, "_session_cache"):
            self._session_cache = yield from self._load()
        strict = options().on_conflict == "raise" and self._loaded is not None
        if self._loaded is None:  # such as clear() without a look: what is there goes
            found = self._opened((yield "read_newest", self.digest))
            if found is None:
                return False
            self._loaded = found[0]
        changes, standing, data = None, self._loaded, self._session_cache
        for _ in range(MOST_TRIES):
            text = self._text(data)
            row = self._row(new[0] if new else self.digest, data, text, standing)
            if (yield how, self.digest, standing.version, row, *new):
                self._keep(data, text, row, standing.version + 1)
                return True
            found = self._opened((yield "read_newest", self.digest))
            if found is None:
                return False
            changes = changes or self._changes()
            standing, data = found[0], changes.onto(found[1], strict=strict)
        raise SessionStoreUnavailable(f"the session was changed by others {MOST_TRIES} times while it was saved")

    def _keep(self, data: Data, text: bytes, row: Row, version: int) -> None:
        """Go on from what was stored just now."""
        self._session_cache = data
        self._loaded = Loaded(version, 0.0, row.lived, text, row.user)
        self._added.clear()

    def _row(self, name: UUID, data: Data, text: bytes, standing: Loaded | None) -> Row:
        user = user_of(data)
        enters = standing is None or standing.user != user
        lived = standing.lived if standing is not None and not enters else 0.0
        return Row(seal(name, text), user, self._ttl(data, lived), lived, enters, device_of(self.meta))

    def _ttl(self, data: Data, lived: float) -> float:
        age, limit = float(self.get_expiry_age(expiry=data.get("_session_expiry"))), options().max_age
        return age if limit is None else min(age, limit - lived)

    # -- creating, and another key --

    def create(self) -> None:
        """Store this session under a new key."""
        run(self.place, self._create())

    async def acreate(self) -> None:
        """See create()."""
        await arun(self.place, self._create())

    def _create(self) -> Plan[None]:
        self._loaded = None
        for _ in range(MOST_TRIES):
            self._session_key = new_key()
            try:
                created = yield from self._insert()
            except SessionLimitReached:
                self._session_key = None
                raise
            if created:
                self.modified = True
                return
        self._session_key = None
        raise SessionStoreUnavailable(f"the store took none of {MOST_TRIES} new sessions: a constraint may refuse them")

    def _insert(self, *, moves: bool = False) -> Plan[bool]:
        data = self._get_session(no_load=True)  # type: ignore[attr-defined]
        text = self._text(data)
        row = self._row(self.digest, data, text, None)
        if not (yield "insert", self.digest, row._replace(enters=row.enters and not moves)):
            return False
        self._keep(data, text, row, 1)
        return True

    def cycle_key(self) -> None:
        """Give this session a new key, and end the old one in the same statement.

        Where it has ended elsewhere meanwhile it stays so, unless this request has logged somebody in.
        """
        run(self.place, self._cycle())

    async def acycle_key(self) -> None:
        """See cycle_key()."""
        await arun(self.place, self._cycle())

    def _cycle(self) -> Plan[None]:
        if not hasattr(self, "_session_cache"):
            self._session_cache = yield from self._load()
        self.accessed = self.modified = True
        if self.session_key is None or self._loaded is None:
            yield from self._create()
            return
        key, old = new_key(), self.session_key
        user = self._loaded.user
        if (yield from self._write("rename", digest_of_key(key))):
            self._session_key = key
            if options().read_from is not None:
                yield from mark_ended(old)
        elif user is not None and user == user_of(self._session_cache):
            self._forget()
        else:
            yield from self._create()

    # -- the end, and its putting off --

    def exists(self, session_key: str) -> bool:
        """Return whether there is a session under ``session_key``."""
        return run(self.place, self._exists(session_key))

    async def aexists(self, session_key: str) -> bool:
        """See exists()."""
        return await arun(self.place, self._exists(session_key))

    def _exists(self, session_key: str) -> Plan[bool]:
        return (yield "read_newest", digest_of_key(session_key or "")) is not None

    def delete(self, session_key: str | None = None) -> None:
        """End the session under ``session_key``, or this one."""
        run(self.place, self._delete(session_key))

    async def adelete(self, session_key: str | None = None) -> None:
        """See delete()."""
        await arun(self.place, self._delete(session_key))

    def _delete(self, session_key: str | None) -> Plan[None]:
        if not (key := session_key or self.session_key):
            return
        if options().read_from is not None:
            yield from mark_ended(key)
            yield "delete_former", key
            key = key_of(key)
        yield "delete", digest_of_key(key)

    def flush(self) -> None:
        """End this session; what follows is another one."""
        self.delete()
        self._forget()

    async def aflush(self) -> None:
        """See flush()."""
        await self.adelete()
        self._forget()

    def _forget(self) -> None:
        self.clear()
        self._session_key, self._loaded = None, None
        self._added.clear()

    @property
    def is_due(self) -> bool:
        """Whether its end is to be put off: it was read, and last written or touched ``touch_every`` seconds ago."""
        return self._loaded is not None and self._loaded.idle >= options().touch_every

    def touch(self) -> None:
        """Put the end of this session off, as a save would."""
        run(self.place, self._touch())

    async def atouch(self) -> None:
        """See touch()."""
        await arun(self.place, self._touch())

    def _touch(self) -> Plan[None]:
        if self._loaded is not None:
            ttl = self._ttl(self._session_cache, self._loaded.lived)
            yield "touch", self.digest, ttl, device_of(self.meta)
            self._loaded = self._loaded._replace(idle=0.0)

    @classmethod
    def clear_expired(cls) -> None:
        """Delete what is over, in small batches."""
        while cls.place.purge(PURGE_BATCH) >= PURGE_BATCH:
            pass
