"""A session that knows what its request has changed, inside of lists and dicts, too."""

from typing import Any, Final, NamedTuple

from django.contrib.sessions.backends.base import SessionBase

from .changes import Changes, Data, number

#: What cannot be changed within.
PLAIN: Final = (str, int, float, bool, type(None))


class Loaded(NamedTuple):
    """What a request works on: the ancestor that its changes are told by."""

    version: int
    idle: float
    lived: float
    text: bytes
    user: str | None


class TrackedSession(SessionBase):
    """Django's session, beside the text that it was loaded from."""

    _session_cache: Data  # there once it was looked into; see SessionBase

    def __init__(self, session_key: str | None = None) -> None:
        self._changed = self._lent = False
        super().__init__(session_key)
        self._loaded: Loaded | None = None
        self._added: dict[str, float] = {}

    @property
    def modified(self) -> bool:
        """Whether something is to be saved; what was changed inside of a list or dict counts, too."""
        return self._changed or self._is_changed_within()

    @modified.setter
    def modified(self, value: bool) -> None:
        self._changed = value

    def _is_changed_within(self) -> bool:
        if self._loaded is None or not self._lent:
            return False
        try:
            return self._text(self._session_cache) != self._loaded.text
        except (TypeError, ValueError):
            return True  # save() says why

    # -- what is lent: a list or dict that a view may change within --

    def _told(self, value: Any) -> Any:
        self._lent = self._lent or not isinstance(value, PLAIN)
        return value

    def __getitem__(self, key: str) -> Any:
        """See SessionBase, and so with the others."""
        return self._told(super().__getitem__(key))

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value of ``key``."""
        return self._told(super().get(key, default))

    async def aget(self, key: str, default: Any = None) -> Any:
        """See get()."""
        return self._told(await super().aget(key, default))

    def setdefault(self, key: str, value: Any = None) -> Any:
        """Return the value of ``key``; that is ``value`` where it had none."""
        return self._told(super().setdefault(key, value))

    async def asetdefault(self, key: str, value: Any) -> Any:
        """See setdefault()."""
        return self._told(await super().asetdefault(key, value))

    def values(self) -> Any:
        """Return all values."""
        self._lent = True
        return super().values()

    async def avalues(self) -> Any:
        """See values()."""
        self._lent = True
        return await super().avalues()

    def items(self) -> Any:
        """Return all keys with their values."""
        self._lent = True
        return super().items()

    async def aitems(self) -> Any:
        """See items()."""
        self._lent = True
        return await super().aitems()

    def increment(self, key: str, by: float = 1) -> float:
        """Add ``by`` to ``session[key]``, which is 0 where it is not there; return what this request sees.

        What other requests add meanwhile is added, too: none is lost. Raises TypeError for what is no number.
        """
        value = number(self.get(key, 0), key) + number(by, key)
        self[key] = value
        self._added[key] = self._added.get(key, 0) + by
        return value

    async def aincrement(self, key: str, by: float = 1) -> float:
        """See increment()."""
        await self._aget_session()  # type: ignore[attr-defined]
        return self.increment(key, by)

    def _changes(self) -> Changes:
        before = self.serializer().loads(self._loaded.text) if self._loaded else {}
        after = self.serializer().loads(self._text(self._session_cache))
        return Changes(before, after, self._added, self._text)

    def _text(self, data: Any) -> bytes:
        text: bytes = self.serializer().dumps(data)
        return text
