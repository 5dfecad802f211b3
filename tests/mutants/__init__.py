"""Broken guards and stores, one seeded fault each: a suite that lets one of them pass proves nothing."""

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

MUTANTS: dict[str, Callable[[], AbstractContextManager[Any]]] = {}


def mutant(make: Callable[[], AbstractContextManager[Any]]) -> Callable[[], AbstractContextManager[Any]]:
    """Enter ``make`` under its name."""
    MUTANTS[make.__name__] = make
    return make


def catalogue() -> tuple[dict[str, Any], Callable[..., Any]]:
    """Return faults by name, each with what catches it, and the decorator that enters one: ``@mutant(*caught_by)``."""
    found: dict[str, Any] = {}

    def mutant_caught_by(*caught_by: str) -> Callable[..., Any]:
        def enter(make: Any) -> Any:
            found[make.__name__] = (make, caught_by)
            return make

        return enter

    return found, mutant_caught_by


def broken(name: str):
    """Seed the fault ``name`` for the block."""
    return broken_by(MUTANTS[name])


@contextlib.contextmanager
def broken_by(make: Callable[[], AbstractContextManager[Any]]):
    """Seed what ``make`` returns for the block."""
    with contextlib.ExitStack() as stack:
        made = make()
        for each in made if isinstance(made, tuple) else (made,):
            stack.enter_context(each)
        yield


from mutants import answers, policies, postgresql, requests, stores  # noqa: E402, F401  (enter their mutants)
