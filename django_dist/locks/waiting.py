"""How long to wait between two tries, and how to see a call through; decided once for threads and for tasks."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Final, TypeVar

from ..exceptions import BackendUnavailable
from .moment import moment

Result = TypeVar("Result")
FIRST_PAUSE_S: Final = 0.01


def pauses(wait: float, longest: float) -> Iterator[tuple[float, float]]:
    """Yield, for each try, how many seconds of ``wait`` are left and how many to sleep after it.

    The last try is made when ``wait`` is over. The sleep grows to ``longest``, by chance down to half of it,
    so that processes do not ask in step.
    """
    deadline, pause = moment() + wait, FIRST_PAUSE_S
    while (left := deadline - moment()) > 0:
        yield left, pause * random.uniform(0.5, 1.0)  # noqa: S311  (no secret)
        pause = min(2 * pause, longest)
    yield 0.0, 0.0


def asked_twice(call: Callable[[], Result]) -> Result:
    """Return what ``call`` returns, which may be repeated: a lost line is tried once more, at once."""
    try:
        return call()
    except BackendUnavailable:
        return call()


async def aasked_twice(call: Callable[[], Awaitable[Result]]) -> Result:
    """See asked_twice(); however often this task is cancelled, the call comes to its end first.

    A call on a thread goes on when the task that awaits it is cancelled, and nobody would know what it did.
    """
    try:
        return await to_the_end(call())
    except BackendUnavailable:
        return await to_the_end(call())


async def to_the_end(work: Awaitable[Result]) -> Result:
    """Await ``work`` to its end, however often this task is cancelled; it is cancelled then."""
    future, cancelled = asyncio.ensure_future(work), None
    while not future.done():
        try:
            await asyncio.shield(future)
        except asyncio.CancelledError as error:
            if not future.cancelled():
                cancelled = error
        except Exception:  # noqa: BLE001  (raised by result())
            break
    if cancelled is not None:
        raise cancelled
    return future.result()
