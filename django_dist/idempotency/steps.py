"""The durable steps of one request: what was called, and what came back, as one JSON text in its record."""

import json
from collections.abc import Callable
from typing import Any, Final

from ..exceptions import InvalidStep

RERUN: Final = object()  # what a resolver returns to have the step called again
CALLED: Final = "called"
RESULT: Final = "result"
Resolver = Callable[..., Any]


class Steps:
    """Names of steps and how far each came: called without a word since, or ended with a result."""

    def __init__(self, known: dict[str, dict[str, Any]] | None = None, why: str = "") -> None:
        self._known = known or {}
        self._used: set[str] = set()
        self.why = why  # of a request that is held

    @classmethod
    def read(cls, text: str | None) -> "Steps":
        """Return the steps that a record holds."""
        return cls(json.loads(text)) if text else cls()

    def text(self) -> str:
        """Return the steps as a record holds them."""
        return json.dumps(self._known, separators=(",", ":"))

    def __bool__(self) -> bool:
        return bool(self._known)

    def items(self) -> list[tuple[str, dict[str, Any]]]:
        """Return names and states, in the order of the first calls."""
        return list(self._known.items())

    def use(self, name: str) -> None:
        """Note that this try comes to step ``name``; raises InvalidStep the second time."""
        if name in self._used:
            raise InvalidStep(f"step {name!r} was used before in this request: give each step a name of its own")
        self._used.add(name)

    def has_ended(self, name: str) -> bool:
        """Return whether ``name`` has a result."""
        return RESULT in self._known.get(name, {})

    def is_unknown(self, name: str) -> bool:
        """Return whether an earlier try called ``name`` and was not heard of again."""
        return self._known.get(name, {}).get(CALLED, False) is True

    def unknown(self) -> list[str]:
        """Return the names of the steps that were called and not heard of again."""
        return [name for name in self._known if self.is_unknown(name)]

    def result(self, name: str) -> Any:
        """Return the result of ``name``, a new object at each call."""
        return json.loads(json.dumps(self._known[name][RESULT]))

    def call(self, name: str) -> None:
        """Note that ``name`` is about to be called."""
        self._known[name] = {CALLED: True}

    def end(self, name: str, result: Any) -> None:
        """Note the result of ``name``; raises InvalidStep where it is no JSON."""
        try:
            plain = json.loads(json.dumps(result, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise InvalidStep(f"step {name!r} must return JSON, for a retry to get the same: {error}") from error
        self._known[name] = {RESULT: plain}

    def forget(self, name: str) -> None:
        """Note that ``name`` is to be called again."""
        self._known.pop(name, None)
