"""What a coroutine function under @once is promised beside what any handler is."""

import asyncio
from collections.abc import Callable
from typing import Any

from asgiref.sync import async_to_sync, sync_to_async
from django.db import connections

from ..dedupe import aclaim, aclaim_many, claim, once
from ..exceptions import OutsideAtomic
from .claims import Undo
from .dedupe_harness import PATIENCE_S, DedupeHarness
from .stage import Effect


class Coroutines(DedupeHarness):
    """What holds of coroutine functions alone."""

    def setUp(self) -> None:
        super().setUp()
        self.skip_unless_shared()

    def coroutine(self, work: Callable[[str], Any]) -> Any:
        """Return a handler that leaves an effect, then awaits ``work``."""

        @once("mail", key=lambda message: message, using=self.database)
        async def handle(message: str) -> Any:
            await Effect.objects.using(self.database).acreate(what=message)
            return await work(message)

        return handle

    async def nothing(self, message: str) -> None:
        """Do nothing more."""

    def test_handlers_side_by_side_have_transactions_of_their_own(self) -> None:
        met = asyncio.Event()

        async def work(message: str) -> None:
            if connections[self.database].vendor == "sqlite":
                return  # one writer at a time
            if message == "fails":
                await asyncio.wait_for(met.wait(), PATIENCE_S)
            met.set()

        async def both() -> list[Any]:
            async def failing(message: str) -> None:
                await work(message)
                raise Undo

            calls = self.coroutine(failing)("fails"), self.coroutine(work)("lasts")
            return list(await asyncio.gather(*calls, return_exceptions=True))

        told = asyncio.run(both())
        self.assertEqual([type(each) for each in told], [Undo, type(None)], told)
        self.assertEqual(self.effects(), ["lasts"])

    def test_cancelled_handler_is_rolled_back_and_its_key_free(self) -> None:
        async def cancelled() -> None:
            reached = asyncio.Event()

            async def work(message: str) -> None:
                reached.set()
                await asyncio.Event().wait()

            task = asyncio.ensure_future(self.coroutine(work)("a"))
            await asyncio.wait_for(reached.wait(), PATIENCE_S)
            task.cancel()
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task

        asyncio.run(cancelled())
        self.assertEqual((self.effects(), self.entries().count()), ([], 0))
        asyncio.run(self.coroutine(self.nothing)("a"))
        self.assertEqual(self.effects(), ["a"])

    def test_handlers_side_by_side_on_one_connection_are_refused(self) -> None:
        async def both() -> list[Any]:
            entered, ended = asyncio.Event(), asyncio.Event()

            async def work(message: str) -> None:
                entered.set()
                await asyncio.wait_for(ended.wait(), PATIENCE_S)

            first = asyncio.ensure_future(self.coroutine(work)("a"))
            await asyncio.wait_for(entered.wait(), PATIENCE_S)
            second = (await asyncio.gather(self.coroutine(self.nothing)("b"), return_exceptions=True))[0]
            third = (await asyncio.gather(sync_to_async(self._claim_in_a_block)(), return_exceptions=True))[0]
            ended.set()
            await first
            return [type(second), type(third)]

        self.assertEqual(async_to_sync(both)(), [OutsideAtomic, OutsideAtomic])
        self.assertEqual((self.effects(), self.entries().count()), (["a"], 1))

    def _claim_in_a_block(self) -> bool:
        with self.atomic():
            return claim("mail", "c", using=self.database)

    def test_handler_in_a_handler_is_part_of_it(self) -> None:
        async def outer(message: str) -> None:
            await self.coroutine(self.nothing)("inner")
            raise Undo

        for run in (asyncio.run, lambda coroutine: async_to_sync(_awaited)(coroutine)):
            with self.assertRaises(Undo):
                run(self.coroutine(outer)("outer"))
            self.assertEqual((self.effects(), self.entries().count()), ([], 0))

    def test_claims_of_a_coroutine_are_in_the_transaction_of_its_handler(self) -> None:
        async def work(message: str) -> Any:
            told = await aclaim("pay", "x", using=self.database), await aclaim("pay", "x", using=self.database)
            return [*told, await aclaim_many("pay", ["x", "y"], using=self.database)]

        self.assertEqual(asyncio.run(self.coroutine(work)("a")), [True, False, {"y"}])
        self.assertEqual(self.entries().count(), 3)

    def test_claim_of_a_coroutine_outside_of_a_transaction_is_an_error(self) -> None:
        for call in (aclaim("pay", "a", using=self.database), aclaim_many("pay", ["a"], using=self.database)):
            with self.assertRaises(OutsideAtomic):
                async_to_sync(_awaited)(call)
        self.assertEqual(self.entries().count(), 0)

    def test_thread_of_a_coroutine_leaves_no_connection(self) -> None:
        opened = []

        async def work(message: str) -> None:
            opened.append(await sync_to_async(lambda: connections[self.database].connection)())

        asyncio.run(self.coroutine(work)("a"))
        self.assertIsNot(opened[0], connections[self.database].connection)
        with self.assertRaises(Exception):  # noqa: B017  (each driver has its own for a connection that is closed)
            opened[0].cursor().execute("SELECT 1")


async def _awaited(coroutine: Any) -> Any:
    return await coroutine
