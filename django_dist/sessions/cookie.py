"""``SESSION_ENGINE = "django_dist.sessions.cookie"``: sessions in the browser's own cookie, signed and of checked size.

Not safe where two requests of a session overlap: the later answer's cookie stays. Without ``revocation`` a copied
cookie is good until it expires, whoever logs out. The clock is the web server's.
"""

import logging
import time
from datetime import datetime, timezone
from typing import Final, cast
from uuid import UUID

from django.contrib.sessions.backends.base import UpdateError

from ..exceptions import CookieTooLarge
from ..signals import session_cookie_refused
from . import cookie_form
from .changes import Data
from .cookie_form import Content
from .cookie_server import alive, has_server, remember, server_engine, server_of
from .cookie_size import check
from .keys import KEY, new_key
from .options import options
from .place import SessionPlace
from .plans import Plan
from .store import DistSession
from .tracked import Loaded
from .users import only_user, user_of

log: Final = logging.getLogger("django_dist.sessions")
NOWHERE: Final = cast("SessionPlace", None)


class CookieRefused(UpdateError):
    """The session is too large for its cookie, and on_overflow="refuse": the browser keeps the one that it has."""


class SessionStore(DistSession):
    """The engine. Where cookies can be revoked, or may spill over, a session of the server's engine stands beside it.

    That one holds all the data of what has spilled over, and else the user alone.
    """

    def __init__(self, session_key: str | None = None) -> None:
        super().__init__(session_key)
        self._server: DistSession | None = None
        self._is_spilled = False

    @property
    def place(self) -> SessionPlace:  # type: ignore[override]
        """Where the sessions of the server lie; asked only by what needs a server."""
        return server_engine().place if has_server() else NOWHERE

    @property
    def digest(self) -> UUID:
        """What the server knows the session by, where it does."""
        server = self._server or server_of(self.session_key or "")
        return super().digest if server is None else server.digest

    def _beside(self, key: str) -> DistSession:
        server = server_engine()(key)
        server.meta = self.meta
        return server

    @classmethod
    def clear_expired(cls) -> None:
        """Delete what is over on the server; cookies expire by themselves."""
        if has_server():
            server_engine().clear_expired()

    # -- loading --

    def _load(self) -> Plan[Data]:
        value = self.session_key or ""
        if KEY.fullmatch(value) and has_server():
            return (yield from self._load_spilled(value))
        found = cookie_form.read(value, encrypt=options().encrypt) if value else None
        data = None if found is None else self._opened_cookie(found.content)
        if found is None or data is None:
            self._session_key = None
            return {}
        if not (yield from self._stands(found.content.sid)):
            return {}
        self._changed = self._changed or found.is_stale or (options().revocation and not found.content.sid)
        return data

    def _load_spilled(self, key: str) -> Plan[Data]:
        self._server, self._is_spilled = self._beside(key), True
        data = self._server._session_cache = yield from self._server._load()
        self._loaded, self.unavailable = self._server._loaded, self._server.unavailable
        if self._server.session_key is None:
            self._leave_server()
            self._session_key = None
        return data

    def _opened_cookie(self, content: Content) -> Data | None:
        """Return the data; None where the session is over by the clock."""
        idle = max(0, cookie_form.now() - content.written_at)
        lived, limit = content.lived + idle, options().max_age
        try:
            data: Data = self.serializer().loads(content.text)
        except ValueError:
            log.warning("Session data corrupted: it is not what SESSION_SERIALIZER writes")
            return None
        age: float = self.get_session_cookie_age()
        if (expiry := data.get("_session_expiry")) is not None:
            written = datetime.fromtimestamp(content.written_at, tz=timezone.utc)
            age = self.get_expiry_age(expiry=expiry, modification=written)
        if idle >= age or (limit is not None and lived >= limit):
            return None
        self._loaded = Loaded(0, float(idle), float(lived), content.text, user_of(data))
        return data

    def _stands(self, sid: str) -> Plan[bool]:
        """Return whether the session has not been ended on the server, where it is known there."""
        if not sid or not options().revocation:
            return True
        self._server = self._beside(sid)
        if alive.get(sid, 0.0) > time.monotonic():
            return True
        self._server._session_cache = yield from self._server._load()
        self.unavailable = self._server.unavailable
        if self._server._loaded is not None:
            remember(sid)
            return True
        self._loaded = None
        if self.unavailable is None:
            self._leave_server()
            self._session_key = None
        return False

    # -- saving --

    def _save(self, must_create: bool) -> Plan[None]:
        if self.unavailable is not None:
            raise self.unavailable
        if must_create:
            self._get_session(no_load=True)  # type: ignore[attr-defined]
        elif not hasattr(self, "_session_cache"):
            self._session_cache = yield from self._load()
        value = self.session_key or ""
        if self._server is None and not must_create and KEY.fullmatch(value) and has_server():
            self._server, self._is_spilled = self._beside(value), True  # clear() has looked at nothing
        if self._is_spilled and self._server is not None:
            yield from self._save_spilled(self._server)
            return
        sid = self._server.session_key if self._server is not None else None
        if sid is None and options().revocation:
            sid = new_key()
        try:
            value, loaded = self._written(sid or "")
        except CookieTooLarge as error:
            yield from self._overflow(error, sid)
            return
        if options().revocation:
            yield from self._note(sid or "")
        self._session_key, self._loaded = value, loaded
        self.modified = True

    def _written(self, sid: str) -> tuple[str, Loaded]:
        """Return the cookie, and what it will be loaded as; raises CookieTooLarge."""
        data = self._session_cache
        text, user = self._text(data), user_of(data)
        loaded = self._loaded
        lived = loaded.lived if loaded is not None and loaded.user == user else 0.0
        content = Content(cookie_form.now(), int(lived), sid, text)
        value = cookie_form.write(content, encrypt=options().encrypt)
        age = None if self.get_expire_at_browser_close() else self.get_expiry_age()
        check(value, age, data, self._text)
        return value, Loaded(0, 0.0, lived, text, user)

    def _note(self, sid: str) -> Plan[None]:
        """Let the server know of this session; raises UpdateError where that has ended it."""
        server = self._server
        if server is None:
            server = self._beside(sid)
            server._session_cache = only_user(self._session_cache)
            yield from server._save(must_create=True)
            self._server = server
        elif server._loaded is None or server._loaded.user != user_of(self._session_cache):
            server._session_cache = only_user(self._session_cache)
            yield from server._save(must_create=False)
        elif (yield "read_newest", server.digest) is None:
            raise UpdateError

    def _overflow(self, error: CookieTooLarge, sid: str | None) -> Plan[None]:
        """Do as ``on_overflow`` says; raises CookieTooLarge or CookieRefused."""
        if options().on_overflow == "refuse":
            log.error("%s; the browser keeps the cookie that it has", error)
            session_cookie_refused.send(sender=type(self), error=error)
            raise CookieRefused(str(error)) from error
        if options().on_overflow != "spill":
            raise error
        server, is_new = self._server, self._server is None
        if server is None:
            server = self._beside(sid or new_key())
        self._give(server)
        yield from server._save(must_create=is_new)
        self._server, self._is_spilled = server, True
        self._take_over(server)

    def _save_spilled(self, server: DistSession) -> Plan[None]:
        """Save on the server, and take the data back into the cookie when it fits."""
        self._give(server)
        yield from server._save(must_create=False)
        self._take_over(server)
        try:
            value, loaded = self._written((server.session_key or "") if options().revocation else "")
        except CookieTooLarge:
            return
        if options().revocation:
            server._session_cache = only_user(self._session_cache)
            yield from server._save(must_create=False)
        else:
            yield from server._delete(None)
            self._server = None
        self._is_spilled, self._session_key, self._loaded = False, value, loaded

    def _give(self, server: DistSession) -> None:
        server._session_cache, server._added, server.meta = self._session_cache, self._added, self.meta

    def _take_over(self, server: DistSession) -> None:
        self._session_cache, self._session_key, self._loaded = server._session_cache, server.session_key, server._loaded
        self.modified = True

    # -- another key, and the end --

    def _create(self) -> Plan[None]:
        self._loaded = None
        self._leave_server()
        self._get_session(no_load=True)  # type: ignore[attr-defined]
        self.modified = True
        yield from self._save(must_create=True)

    def _cycle(self) -> Plan[None]:
        if not hasattr(self, "_session_cache"):
            self._session_cache = yield from self._load()
        server = self._server
        if server is not None:
            if self._is_spilled:
                self._give(server)
            else:
                server._session_cache = only_user(self._session_cache)
            alive.pop(server.session_key or "", None)
            yield from server._cycle()
            if server.session_key is None:
                self._forget()
                return
            if self._is_spilled:
                self._take_over(server)
                return
        yield from self._save(must_create=False)

    def _exists(self, session_key: str) -> Plan[bool]:
        server = server_of(session_key)
        return server is not None and (yield from server._exists(server.session_key or ""))

    def _delete(self, session_key: str | None) -> Plan[None]:
        server = self._server if session_key is None else None
        if server is None:
            server = server_of(session_key or self.session_key or "")
        if server is not None:
            alive.pop(server.session_key or "", None)
            yield from server._delete(None)
        if session_key is None or session_key == self.session_key:
            self._forget()
            self.modified = True

    def _forget(self) -> None:
        super()._forget()
        self._leave_server()

    def _leave_server(self) -> None:
        self._server, self._is_spilled = None, False

    def _touch(self) -> Plan[None]:
        if self._server is not None:
            self._server.meta = self.meta
            yield from self._server._touch()
            if self._is_spilled:
                self._loaded = self._server._loaded
        if self._loaded is not None and not self._is_spilled:
            yield from self._save(must_create=False)
