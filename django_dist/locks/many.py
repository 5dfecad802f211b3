"""Several locks at once, taken in one order by all, so that no two of them wait for each other."""

from collections.abc import Iterable
from contextlib import AsyncExitStack, ExitStack
from types import TracebackType
from typing import Any

from .block import Lock, lock
from .lease import Lease
from .moment import moment


class Locks:
    """What acquire_all() returns; to be entered once."""

    def __init__(self, blocks: list[Lock]) -> None:
        self._blocks = blocks
        self._stack, self._astack = ExitStack(), AsyncExitStack()

    def __enter__(self) -> dict[str, Lease]:
        """Acquire them, or none; see acquire_all()."""
        with ExitStack() as stack:
            leases = {block.name: stack.enter_context(block) for block in self._in_time()}
            self._stack = stack.pop_all()
        return leases

    async def __aenter__(self) -> dict[str, Lease]:
        """See __enter__()."""
        async with AsyncExitStack() as stack:
            leases = {block.name: await stack.enter_async_context(block) for block in self._in_time()}
            self._astack = stack.pop_all()
        return leases

    def _in_time(self) -> Iterable[Lock]:
        """Yield each with what is left of the wait for all."""
        began = moment()
        for block in self._blocks:
            yield block._replace(wait=max(0.0, block.wait - (moment() - began)))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release them; raises LockLost where one was lost."""
        self._stack.__exit__(kind, error, trace)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """See __exit__()."""
        await self._astack.__aexit__(kind, error, trace)


def acquire_all(names: Iterable[str], **options: Any) -> Locks:
    """Return a block that holds all of ``names``, or none of them; it gives their leases by name.

    They are taken one after the other, in an order that is the same for everybody. ``wait`` bounds the time for
    all of them together; the other options are those of lock(), and so are the errors.
    """
    return Locks([lock(name, **options) for name in sorted(set(names))])
