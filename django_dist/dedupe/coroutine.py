"""Run a coroutine under ``@once``: its transaction is opened and ended on the thread of Django's async ORM calls."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.db import DatabaseError, connections

from .blocks import AROUND, CoroutineBlock

if TYPE_CHECKING:
    from .once import Kept, Once


class Transaction:
    """The transaction of one call. All methods run on one thread, in the order in which they are asked for."""

    def __init__(self, told: "Once", key: Any) -> None:
        self._told, self._key = told, key
        self.block = CoroutineBlock(told.database, savepoint=True, durable=False)
        self._open = self._connected = False

    def begin(self) -> "Kept | None":
        """Open it and claim; see Once.earlier()."""
        self._connected = connections[self._told.database].connection is None
        self.block.__enter__()
        self._open = True
        try:
            return self._told.earlier(self._key)
        except BaseException:
            self._end(keep=False)
            raise

    def commit(self, result: Any) -> Any:
        """Keep what the handler has done; see Once.finish()."""
        result = self._told.finish(self._key, result)
        self._end(keep=True)
        return result

    def leave(self) -> None:
        """Roll back what is still open, and close the connections that this call has opened."""
        self._end(keep=False)
        if self._connected:
            for connection in connections.all(initialized_only=True):
                if not connection.in_atomic_block:
                    connection.close()

    def _end(self, *, keep: bool) -> None:
        if self._open:
            self._open = False
            undo = None if keep else DatabaseError("abandoned")
            self.block.__exit__(None if undo is None else type(undo), undo, None)


async def run(told: "Once", key: Any, handler: Callable[[], Awaitable[Any]]) -> Any:
    """Return what ``handler`` or an earlier call has returned; a cancelled one is rolled back.

    Where no thread is set apart for this task, as under asyncio.run(), it gets one: handlers that
    run side by side on one connection would be in one transaction.
    """
    transaction = Transaction(told, key)
    async with ThreadSensitiveContext():
        around = AROUND.set((*AROUND.get(), transaction.block))
        try:
            earlier = await sync_to_async(transaction.begin)()
            if earlier is not None:
                result = earlier.result
            else:
                result = await sync_to_async(transaction.commit)(await handler())
        finally:
            AROUND.reset(around)
            await _to_the_end(transaction.leave)
    return result


async def _to_the_end(function: Callable[[], None]) -> None:
    """Call ``function`` on the thread, after what still runs there, however often this task is cancelled."""
    work = asyncio.ensure_future(sync_to_async(function)())
    cancelled: asyncio.CancelledError | None = None
    while not work.done():
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
    work.result()
