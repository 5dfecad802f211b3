"""What a handler under @once is promised, as a function and as a coroutine function."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from asgiref.sync import sync_to_async
from django.db import IntegrityError, connections

from ..dedupe import once
from ..exceptions import HandlerUndone, InvalidResult
from .claims import Undo
from .dedupe_harness import PATIENCE_S, DedupeHarness
from .faults import blocked
from .stage import Effect

Work = Callable[[str], Any]


class Handlers(DedupeHarness):
    """Claim, effects and what was returned are one."""

    def setUp(self) -> None:
        super().setUp()
        if self.asynchronous:
            self.skip_unless_shared()  # a coroutine gets a thread of its own

    def handler(self, work: Work | None = None, **told: Any) -> Callable[[str], Any]:
        """Return a handler of messages that does ``work`` and leaves an effect; called, it runs to its end."""

        def done(message: str) -> Any:
            self.effect(message)
            return None if work is None else work(message)

        told = {"key": lambda message: message, "using": self.database, **told}
        if not self.asynchronous:
            return once("mail", **told)(done)

        @once("mail", **told)
        async def adone(message: str) -> Any:
            return await sync_to_async(done)(message)

        return lambda message: asyncio.run(adone(message))

    def test_handler_takes_effect_once_for_each_key(self) -> None:
        handle = self.handler(lambda message: message.upper())
        self.assertEqual([handle("a"), handle("a"), handle("b")], ["A", None, "B"])
        self.assertEqual(self.effects(), ["a", "b"])

    def test_repeat_gets_what_the_first_returned(self) -> None:
        told = iter([{"id": 7, "parts": (1, None)}, None, 0])
        handle = self.handler(lambda message: next(told), keep_result=True)
        first = handle("a")
        self.assertEqual(first, {"id": 7, "parts": [1, None]})
        self.assertEqual([handle("a"), handle("b"), handle("b"), handle("c"), handle("c")], [first, None, None, 0, 0])
        self.assertEqual(self.effects(), ["a", "b", "c"])

    def test_exception_rolls_back_claim_and_effects(self) -> None:
        def fail(message: str) -> None:
            raise Undo

        with self.assertRaises(Undo):
            self.handler(fail)("a")
        self.assertEqual((self.effects(), self.entries().count()), ([], 0))
        self.handler()("a")
        self.assertEqual(self.effects(), ["a"])

    def test_result_that_is_no_json_is_an_error_and_rolls_back(self) -> None:
        for result in (object(), {1, 2}, float("nan")):
            with self.subTest(result=result), self.assertRaises(InvalidResult):
                self.handler(lambda message: result, keep_result=True)("a")  # noqa: B023
        self.assertEqual((self.effects(), self.entries().count()), ([], 0))

    def test_swallowed_error_of_the_database_is_an_error_and_rolls_back(self) -> None:
        Effect.objects.using(self.database).create(what="there", reference="one")

        def swallow(message: str) -> None:
            with suppress(IntegrityError):
                Effect.objects.using(self.database).create(what=message, reference="one")

        with self.assertRaises(HandlerUndone):
            self.handler(swallow)("a")
        self.assertEqual((self.effects(), self.entries().count()), (["there"], 0))

    def test_closed_connection_is_an_error(self) -> None:
        with self.assertRaises(HandlerUndone):
            self.handler(lambda message: connections[self.database].close())("a")
        self.assertEqual((self.effects(), self.entries().count()), ([], 0))

    def test_key_of_many_messages_is_refused_before_the_handler(self) -> None:
        for key in (None, ""):
            with self.subTest(key=key), self.assertRaises((TypeError, ValueError)):
                self.handler(key=lambda message: key)("a")
        self.assertEqual(self.effects(), [])

    def test_handler_runs_again_when_its_key_has_expired(self) -> None:
        handle = self.handler(lambda message: message, keep_result=True, ttl=60)
        handle("a")
        self.assertIsNotNone(self.entries().get().expires_at)
        self.expire("a", scope="mail")
        self.assertEqual([handle("a"), handle("a")], ["a", "a"])
        self.assertEqual(self.effects(), ["a", "a"])

    def test_repeat_waits_for_the_first_and_gets_its_result(self) -> None:
        self.skip_unless_shared()
        began, ended = threading.Event(), threading.Event()

        def work(message: str) -> str:
            began.set()
            ended.wait(PATIENCE_S)
            return "of the first"

        first = self.aside(self.handler(work, keep_result=True), "a")
        self.assertTrue(began.wait(PATIENCE_S))
        second = self.aside(self.handler(lambda message: "of the second", keep_result=True), "a")
        for _ in range(2000):
            if blocked(self.database) or second.done():
                break
            threading.Event().wait(0.005)
        ended.set()
        self.assertEqual([each.result(PATIENCE_S) for each in (first, second)], ["of the first"] * 2)
        self.assertEqual(self.effects(), ["a"])

    def test_handler_that_leaves_its_work_for_later_is_an_error_and_rolls_back(self) -> None:
        made: list[Any] = []

        async def later(message: str) -> None:
            self.effect(message)

        def generator(message: str) -> Any:
            yield self.effect(message)

        for work in (later, generator):

            def begun(message: str, work: Any = work) -> Any:
                made.append(work(message))
                self.addCleanup(made[-1].close)
                return made[-1]

            with self.assertRaisesRegex(HandlerUndone, "after its transaction"):
                self.handler(begun)("a")
            made[-1].close()
            self.assertEqual((self.entries().count(), self.effects()), (0, []))

    def test_handler_may_be_an_object_or_a_part_of_a_function(self) -> None:
        class Taker:
            def __call__(taker, message: str) -> int:  # noqa: N805
                return self.effect(message)

        class AsyncTaker:
            async def __call__(taker, message: str) -> int:  # noqa: N805
                return await sync_to_async(self.effect)(message)

        of_its_kind: Any = AsyncTaker() if self.asynchronous else Taker()
        for handler in (of_its_kind, partial(of_its_kind.__call__)):
            taken = once("mail", key=str, using=self.database)(handler)
            for _ in range(2):
                came = taken("a")
                if self.asynchronous:
                    asyncio.run(came)
            self.assertEqual(self.effects(), ["a"])
            self.empty()

    def test_wrong_use_is_an_error_at_once(self) -> None:
        def generator(message: str) -> Any:
            yield message

        async def agenerator(message: str) -> Any:
            yield message

        for handler in (generator, agenerator):
            with self.assertRaises(TypeError):
                once("mail", key=str)(handler)
        with self.assertRaises(TypeError):
            once("mail", key="message")  # type: ignore[arg-type]
        for scope, ttl in (("", None), ("mail", 0)):
            with self.assertRaises(ValueError):
                once(scope, key=str, ttl=ttl)

    def test_outer_rollback_frees_the_key(self) -> None:
        handle = once("mail", key=str, using=self.database)(self.effect)
        with self.assertRaises(Undo), self.atomic():
            handle("a")
            raise Undo
        handle("a")
        self.assertEqual(self.effects(), ["a"])
