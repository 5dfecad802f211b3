"""Run a function again on fresh data after a conflict, where that can help: outside every transaction."""

import asyncio
import functools
import inspect
import random
import time
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar, cast

from django.db import OperationalError, connections
from django.db.transaction import TransactionManagementError

from ..exceptions import ConflictError
from .stale import code_of

Function = TypeVar("Function", bound=Callable[..., Any])
#: Serialization failure and deadlock of PostgreSQL; deadlock, and a row changed since the snapshot, of MariaDB.
CONFLICTS: Final = {"40001", "40P01", 1213, 1020}


def retry_on_conflict(*, attempts: int = 5, backoff: float = 0.01) -> Callable[[Function], Function]:
    """Return a decorator that runs the whole function again after a conflict, ``attempts`` times in all.

    Between two tries it waits a random time of up to ``backoff`` seconds, doubled each time. Let the function read its
    rows itself. Raises the last conflict, and TransactionManagementError inside a transaction: a repeat there may
    read the same old version for ever.
    """
    if attempts < 1 or backoff < 0:
        raise ValueError(f"attempts={attempts}, backoff={backoff}: pass at least 1, and no negative time")

    def decorate(function: Function) -> Function:
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def again_async(*args: Any, **kwargs: Any) -> Any:
                _refuse_in_a_transaction(function)
                for pause in _pauses(attempts, backoff):
                    try:
                        return await function(*args, **kwargs)
                    except (ConflictError, OperationalError) as error:
                        if not _is_conflict(error):
                            raise
                    await asyncio.sleep(pause)
                return await function(*args, **kwargs)

            return cast(Function, again_async)

        @functools.wraps(function)
        def again(*args: Any, **kwargs: Any) -> Any:
            _refuse_in_a_transaction(function)
            for pause in _pauses(attempts, backoff):
                try:
                    return function(*args, **kwargs)
                except (ConflictError, OperationalError) as error:
                    if not _is_conflict(error):
                        raise
                time.sleep(pause)
            return function(*args, **kwargs)

        return cast(Function, again)

    return decorate


def _pauses(attempts: int, backoff: float) -> Iterator[float]:
    """Yield the seconds to wait after each try but the last."""
    for attempt in range(attempts - 1):
        yield backoff * 2**attempt * random.uniform(0, 1)  # noqa: S311 (no secret)


def _is_conflict(error: BaseException) -> bool:
    return error.retryable if isinstance(error, ConflictError) else code_of(error) in CONFLICTS


def _refuse_in_a_transaction(function: Callable[..., Any]) -> None:
    """Raise inside a transaction; that of a TestCase does not count, as for atomic(durable=True)."""
    for connection in connections.all(initialized_only=True):
        if any(not getattr(block, "_from_testcase", False) for block in connection.atomic_blocks):
            raise TransactionManagementError(
                f"{function.__qualname__} is retried on conflict and was called inside a transaction on "
                f"{connection.alias!r}, where a repeat may read the same old version; put atomic() inside the function"
            )
