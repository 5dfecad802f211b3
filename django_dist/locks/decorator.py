"""A function that runs under a lock, named by its arguments."""

import inspect
import re
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack
from functools import wraps
from string import Formatter
from typing import Any, Literal, TypeVar, cast

from asgiref.sync import iscoroutinefunction

from ..exceptions import LockTimeout
from .block import Lock, lock

Function = TypeVar("Function", bound=Callable[..., Any])


def locked(
    template: str, *, on_busy: Literal["raise", "skip"] = "raise", wait: float | None = None, **options: Any
) -> Callable[[Function], Function]:
    """Let a function, or coroutine function, run under the lock that ``template`` names by its arguments.

    ``@locked("report:{id}")`` takes the argument ``id``, however it is given. With ``on_busy="skip"`` a call that
    does not get the lock returns None; it does not wait for it, unless ``wait`` says so. The other options are
    those of lock(). Raises ValueError, where the function is made, for a template that names no argument of it.
    """
    if on_busy not in ("raise", "skip"):
        raise ValueError(f"on_busy must be 'raise' or 'skip', not {on_busy!r}")
    options["wait"] = 0.0 if wait is None and on_busy == "skip" else wait

    def decorate(function: Function) -> Function:
        named = _namer(template, function, options)

        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            with ExitStack() as stack:
                try:
                    stack.enter_context(named(args, kwargs))
                except LockTimeout:
                    if on_busy == "raise":
                        raise
                    return None
                return function(*args, **kwargs)

        @wraps(function)
        async def acall(*args: Any, **kwargs: Any) -> Any:
            async with AsyncExitStack() as stack:
                try:
                    await stack.enter_async_context(named(args, kwargs))
                except LockTimeout:
                    if on_busy == "raise":
                        raise
                    return None
                return await function(*args, **kwargs)

        return cast(Function, acall if iscoroutinefunction(function) else call)

    return decorate


def _namer(
    template: str, function: Callable[..., Any], options: dict[str, Any]
) -> Callable[[tuple[Any, ...], dict[str, Any]], Lock]:
    """Return what makes the block of one call from its arguments."""
    signature = inspect.signature(function)
    wanted = {re.split(r"[.\[]", field)[0] for _, field, _, _ in Formatter().parse(template) if field is not None}
    if unknown := sorted(wanted - set(signature.parameters)):
        raise ValueError(f"{template!r} names {unknown}, which are no arguments of {function.__qualname__}")
    lock(template, **options)  # what is wrong with the options is told now

    def named(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Lock:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return lock(template.format_map(bound.arguments), **options)

    return named
