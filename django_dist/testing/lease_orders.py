"""What holds in mode ``lease`` where the view calls in the wrong order, in a block of its own, or in threads."""

import contextlib
import threading
from typing import Any

from django.core.exceptions import SynchronousOnlyOperation
from django.db import connections, transaction
from django.http import HttpRequest, HttpResponseBase

from ..exceptions import InvalidStep, OutcomeHeld, StepUnknown, UnsupportedView
from .case import PATIENCE_S
from .harness import text
from .leases import SHORT_S, Gone, LeaseHarness
from .steps import Bank


class LeaseOrders(LeaseHarness):
    """The view calls where it should not, and it is told; nobody else has to wait for it."""

    def test_check_in_a_block_locks_nothing(self) -> None:
        self.skip_unless_committed()
        if connections[self.database].vendor == "sqlite":
            self.skipTest("on SQLite everybody waits for a transaction that writes")

        def view(request: HttpRequest) -> HttpResponseBase:
            own = request.idempotency  # type: ignore[attr-defined]
            own.step("long", lambda key: self.checked(request))
            with own.finishing():
                self.checked(request)
            return text("", status=201)

        self.assert_once(view)

    def checked(self, request: HttpRequest) -> None:
        """Call check() and have the lease renewed from another connection."""
        attempt = self.attempt_of(request)
        request.idempotency.check()  # type: ignore[attr-defined]
        self.aside(attempt.store.renew, {attempt.digest: attempt.owner}, 60.0).result(PATIENCE_S / 2)

    def test_step_inside_another_is_an_error_and_nothing_of_it_is_known(self) -> None:
        self.skip_unless_committed()
        bank = Bank()

        def view(request: HttpRequest) -> HttpResponseBase:
            step = request.idempotency.step  # type: ignore[attr-defined]
            if "X-Flat" not in request.headers:
                step("outer", lambda key: step("charge", bank.charge, 5, on_unknown="hold"))
            return text(str(step("charge", bank.charge, 5, on_unknown="hold")), status=201)

        with self.assertRaisesRegex(UnsupportedView, "a step stands in a transaction"):
            self.post(view, raises=True)
        self.assertEqual((self.post(view, headers={"X-Flat": "1"}).status, len(bank.keys)), (201, 1))

    def test_step_without_autocommit_is_an_error(self) -> None:

        def view(request: HttpRequest) -> HttpResponseBase:
            transaction.set_autocommit(False, using=self.database)
            try:
                request.idempotency.step("charge", lambda key: None)  # type: ignore[attr-defined]
            finally:
                transaction.rollback(using=self.database)
                transaction.set_autocommit(True, using=self.database)
            return text("")

        with self.assertRaisesRegex(UnsupportedView, "a step stands in a transaction"):
            self.post(view, raises=True)

    def test_second_finishing_is_an_error(self) -> None:
        self.skip_unless_committed()

        def view(request: HttpRequest) -> HttpResponseBase:
            for _ in range(2):
                with request.idempotency.finishing():  # type: ignore[attr-defined]
                    self.effect()
            return text("")

        with self.assertRaisesRegex(UnsupportedView, "called once"):
            self.post(view, raises=True)
        self.assertEqual(self.effects(), 0)

    def test_step_of_a_coroutine_function_needs_astep(self) -> None:
        bank = Bank()
        for charge in (bank.acharge, lambda key, amount: bank.acharge(key, amount)):

            def view(request: HttpRequest, charge: Any = charge) -> HttpResponseBase:
                request.idempotency.step("charge", charge, 5, on_unknown="hold")  # type: ignore[attr-defined]
                return text("")

            for key in ("", "", None):
                with self.assertRaisesRegex(InvalidStep, "astep"):
                    self.post(view, raises=True, key=key)
        self.assertEqual(bank.keys, [])

    def test_step_on_the_event_loop_is_an_error_and_nothing_of_it_is_known(self) -> None:
        bank = Bank()

        async def view(request: HttpRequest) -> HttpResponseBase:
            own = request.idempotency  # type: ignore[attr-defined]
            if "X-Awaited" not in request.headers:
                own.step("charge", bank.charge, 5, on_unknown="hold")
            await own.astep("charge", bank.charge, 5, on_unknown="hold")
            return text("", status=201)

        self.skip_unless_committed()
        with self.assertRaises(SynchronousOnlyOperation):
            self.post(view, raises=True, place="async")
        reply = self.post(view, place="async", headers={"X-Awaited": "1"})
        self.assertEqual((reply.status, len(bank.keys)), (201, 1))

    def test_resolver_may_be_a_coroutine_function(self) -> None:
        bank = Bank(Gone())

        async def resolver(key: str, amount: int) -> Any:
            return {"found": amount}

        def pay(request: HttpRequest) -> HttpResponseBase:
            found = request.idempotency.step("charge", bank.charge, 5, on_unknown=resolver)  # type: ignore[attr-defined]
            return text(str(found), status=201)

        with self.assertRaises(Gone):
            self.post(pay, raises=True)
        self.assertEqual(self.post(pay).body, b"{'found': 5}")

    def test_hold_that_the_view_swallows_is_told_all_the_same(self) -> None:
        def unknown(key: str) -> None:
            raise StepUnknown

        def view(request: HttpRequest) -> HttpResponseBase:
            with contextlib.suppress(OutcomeHeld):
                request.idempotency.step("charge", unknown, on_unknown="hold")  # type: ignore[attr-defined]
            return text("all is well")

        for _ in range(2):
            self.assert_problem(self.post(view), 409, "outcome-held")

    def test_step_that_has_read_keeps_its_result_whatever_others_write(self) -> None:
        self.skip_unless_shared()
        bank = Bank()

        def charge(key: str) -> Any:
            self.effects()
            self.aside(self.effect).result(PATIENCE_S)
            return bank.charge(key, 5)

        def view(request: HttpRequest) -> HttpResponseBase:
            request.idempotency.step("charge", charge, on_unknown="hold")  # type: ignore[attr-defined]
            return text("", status=201)

        self.assert_once(view)
        self.assertEqual((len(bank.keys), self.effects()), (1, 1))

    def test_steps_of_several_threads_come_one_after_another(self) -> None:
        self.skip_unless_shared()
        ran = threading.Event()

        def view(request: HttpRequest) -> HttpResponseBase:
            step = request.idempotency.step  # type: ignore[attr-defined]
            others: list[Any] = []

            def first(key: str) -> bool:
                others.append(self.aside(step, "second", lambda key: ran.set()))
                return ran.wait(SHORT_S)

            overtaken = step("first", first)
            others[0].result(PATIENCE_S)
            return text(str(overtaken), status=201)

        self.assertEqual((self.post(view).body, ran.is_set()), (b"False", True))

    def test_tries_are_counted_as_far_as_the_column_goes(self) -> None:
        self.skip_unless_committed()

        def failing(request: HttpRequest) -> HttpResponseBase:
            request.idempotency.step("one", lambda key: 1)  # type: ignore[attr-defined]
            self.records().update(attempts=2**15 - 1)
            return text("", status=503)

        for _ in range(2):
            self.assertEqual(self.post(failing).status, 503)
