"""What a request has changed of its session, and how that is put onto what others have stored meanwhile.

Source: three-way merge by key; the common ancestor is what the request loaded.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from ..exceptions import SessionConflict

Data = dict[str, Any]
Text = Callable[[Any], bytes]
MISSING: Final = object()


class Changes:
    """Keys that were set or deleted, and numbers that were added to."""

    def __init__(self, before: Data, after: Data, added: Mapping[str, float], text: Text) -> None:
        self._before, self._text = before, text
        self.added = {key: n for key, n in added.items() if _is_sum(after.get(key), before.get(key, 0), n)}
        self.set = {
            key: value
            for key, value in after.items()
            if key not in self.added and self._differs(before.get(key, MISSING), value)
        }
        self.deleted = before.keys() - after.keys()

    def _differs(self, one: Any, other: Any) -> bool:
        # By their text: True == 1 in Python, and not in JSON.
        return one is MISSING or other is MISSING or self._text([one]) != self._text([other])

    def onto(self, theirs: Data, *, strict: bool = False) -> Data:
        """Return ``theirs`` with these changes; of a key that both changed mine lasts.

        With ``strict`` that raises SessionConflict instead, unless both changed it to the same.
        """
        if strict and (clashes := sorted(key for key in [*self.set, *self.deleted] if self._clashes(key, theirs))):
            raise SessionConflict(f"another request changed {', '.join(map(repr, clashes))} meanwhile", keys=clashes)
        merged = {key: value for key, value in theirs.items() if key not in self.deleted} | self.set
        return merged | {key: number(theirs.get(key, 0), key) + n for key, n in self.added.items()}

    def _clashes(self, key: str, theirs: Data) -> bool:
        there = theirs.get(key, MISSING)
        changed_there = self._differs_or_gone(self._before.get(key, MISSING), there)
        return changed_there and self._differs_or_gone(self.set.get(key, MISSING), there)

    def _differs_or_gone(self, one: Any, other: Any) -> bool:
        return one is not other and self._differs(one, other)


def _is_sum(after: Any, before: Any, n: float) -> bool:
    """Return whether a key was added to, and not set besides."""
    return isinstance(before, int | float) and bool(after == before + n)


def number(value: Any, key: str) -> float:
    """Return ``value``; raises TypeError where it is no number that can be added to."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"session[{key!r}] is a {type(value).__name__}, and increment() adds to numbers")
    return value
