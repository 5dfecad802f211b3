"""What tasks of asyncio are promised: each is an owner of its own, and one that is cancelled leaves nothing behind."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any
from unittest.mock import patch

from asgiref.sync import async_to_sync, sync_to_async

from ..exceptions import LockLost, LockTimeout
from ..locks import acquire_all, locked
from .lock_harness import PATIENCE_S, LockHarness

TASKS = 5


class Tasks(LockHarness):
    """``async with lock(...)``."""

    def run_async(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run ``work`` in an event loop; what is Django's runs on this thread."""

        async def bounded() -> None:
            await asyncio.wait_for(work(), 2 * PATIENCE_S)

        async_to_sync(bounded)()

    async def auntil(self, condition: Callable[[], Any]) -> None:
        """Return once ``condition`` is true."""
        for _ in range(int(PATIENCE_S / 0.01)):
            if condition():
                return
            await asyncio.sleep(0.01)
        self.fail("it did not come to be")

    async def arefused(self) -> bool:
        """Return whether another is refused now."""
        tried = await self.locks.atry_acquire("a", "other", 30)
        if tried.fence is not None:
            await self.locks.arelease("a", "other", tried.fence)
        return tried.fence is None

    def test_block_of_a_task_holds_the_lock(self) -> None:
        async def work() -> None:
            async with self.lock() as lease:
                async with self.lock(wait=0) as inner:
                    self.assertEqual((inner.fence, inner.depth), (lease.fence, 2))
                self.assertTrue(lease.held() and await self.arefused())
                await lease.acheck()
                await lease.aextend()
            self.assertFalse(lease.held() or await self.arefused())

        self.run_async(work)

    def test_one_of_many_tasks_is_inside_at_a_time(self) -> None:
        inside, most, fences = 0, 0, []

        async def enter() -> None:
            nonlocal inside, most
            async with self.lock() as lease:
                inside += 1
                most = max(most, inside)
                fences.append(lease.fence)
                entered.set()
                if len(fences) == 1:
                    await self.auntil(lambda: self.locks.line.length("a") == TASKS - 1 or inside > 1)
                inside -= 1

        async def work() -> None:
            first = asyncio.create_task(enter())
            await entered.wait()
            await asyncio.gather(first, *[enter() for _ in range(TASKS - 1)])

        entered = asyncio.Event()
        self.run_async(work)
        self.assertEqual((most, len(set(fences))), (1, TASKS))

    def test_task_does_not_own_what_its_parent_holds(self) -> None:
        async def enter() -> None:
            async with self.lock(wait=0):
                self.fail("two holders")

        async def work() -> None:
            async with self.lock():
                with self.assertRaises(LockTimeout):
                    await asyncio.create_task(enter())

        self.run_async(work)

    def test_task_that_is_cancelled_while_it_waits_leaves_its_place(self) -> None:
        async def enter() -> None:
            async with self.lock():
                self.fail("it was cancelled")

        async def work() -> None:
            async with self.lock():
                waiter = asyncio.create_task(enter())
                await self.auntil(lambda: self.locks.line.length("a") == 1)
                await self.cancelled(waiter)
                self.assertEqual(self.locks.line.length("a"), 0)
            self.assertFalse(await self.arefused())

        self.run_async(work)

    def test_task_that_is_cancelled_while_the_store_grants_leaves_nothing_held(self) -> None:
        asked, answers, granted, real = asyncio.Event(), asyncio.Event(), asyncio.Event(), self.locks.atry_acquire

        async def grant(*args: Any) -> Any:
            asked.set()
            await answers.wait()
            tried = await real(*args)
            granted.set()
            return tried

        async def late(*args: Any) -> Any:  # as a call on a thread, which goes on when its task is cancelled
            return await asyncio.shield(grant(*args))

        async def enter() -> None:
            async with self.lock():
                self.fail("it was cancelled")

        async def work() -> None:
            with patch.object(self.locks, "atry_acquire", late):
                task = asyncio.create_task(enter())
                await self.auntil(asked.is_set)
                task.cancel()
                await asyncio.sleep(0.02)  # it takes note of it, and must not leave before the store has answered
                answers.set()
                await self.cancelled(task)
                await granted.wait()
            self.assertFalse(await self.arefused())

        self.run_async(work)

    def test_task_that_is_cancelled_in_the_block_frees_the_lock(self) -> None:
        async def enter() -> None:
            async with self.lock():
                entered.set()
                await asyncio.sleep(PATIENCE_S)

        async def work() -> None:
            task = asyncio.create_task(enter())
            await self.auntil(entered.is_set)
            await self.cancelled(task)
            self.assertFalse(await self.arefused())

        entered = threading.Event()
        self.run_async(work)

    def test_task_that_is_cancelled_while_it_releases_frees_the_lock(self) -> None:
        releasing, goes_on, real = asyncio.Event(), asyncio.Event(), self.locks.arelease

        async def slow(*args: Any) -> bool:
            releasing.set()
            await goes_on.wait()
            return await real(*args)

        async def enter() -> None:
            async with self.lock():
                pass

        async def work() -> None:
            with patch.object(self.locks, "arelease", slow):
                task = asyncio.create_task(enter())
                await self.auntil(releasing.is_set)
                task.cancel()
                await asyncio.sleep(0.02)
                goes_on.set()
                await self.cancelled(task)
            self.assertFalse(await self.arefused())

        self.run_async(work)

    async def cancelled(self, task: "asyncio.Task[None]") -> None:
        """Cancel ``task`` and await its end."""
        task.cancel()
        with self.assertRaises(asyncio.CancelledError):
            await asyncio.wait_for(task, PATIENCE_S)

    def test_broken_lock_is_told_to_a_task(self) -> None:
        async def work() -> None:
            with self.assertRaises(LockLost):
                async with self.lock() as lease:
                    self.assertTrue(await sync_to_async(self.locks.break_lock)("a"))
                    with self.assertRaises(LockLost):
                        await lease.acheck()
            with self.assertRaises(LockLost):
                async with self.lock() as lease:
                    self.assertTrue(await sync_to_async(self.locks.break_lock)("a"))
                    with self.assertRaises(LockLost):
                        await lease.aextend()

        self.run_async(work)

    def test_several_are_held_by_a_task_or_none(self) -> None:
        async def work() -> None:
            async with acquire_all(["b", "a"], using=self.locks, wait=0) as leases:
                self.assertEqual([(name, lease.held()) for name, lease in leases.items()], [("a", True), ("b", True)])
            tried = await self.locks.atry_acquire("b", "other", 30)
            self.assertIsNotNone(tried.fence)
            with self.assertRaises(LockTimeout):
                async with acquire_all(["b", "a"], using=self.locks, wait=0.05):
                    self.fail("b is held by another")
            self.assertFalse(await self.arefused())

        self.run_async(work)

    def test_coroutine_function_runs_under_the_lock_that_its_arguments_name(self) -> None:
        @locked("job:{id}", on_busy="skip", using=self.locks)
        async def job(id: int, inner: Callable[[], Awaitable[Any]] | None = None) -> Any:  # noqa: A002
            names = [holder.name for holder in await sync_to_async(self.locks.holders)()]
            return [names, await inner() if inner else None]

        @locked("job:{id}", wait=0, using=self.locks)
        async def refused(id: int) -> None:  # noqa: A002
            self.fail("two holders")

        async def work() -> None:
            self.assertEqual(await job(id=1), [["job:1"], None])
            self.assertEqual(await job(1, lambda: asyncio.create_task(job(1))), [["job:1"], None])
            with self.assertRaises(LockTimeout):
                await job(1, lambda: asyncio.create_task(refused(1)))

        self.run_async(work)
