"""A session that knows what its request has changed, inside of lists and dicts, too."""

from typing import Any, NamedTuple

from django.contrib.sessions.backends.base import SessionBase

from .changes import Changes, Data, number


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
        self._changed = False
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
        if self._loaded is None or not hasattr(self, "_session_cache"):
            return False
        try:
            return self._text(self._session_cache) != self._loaded.text
        except (TypeError, ValueError):
            return True  # save() says why

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
