"""What holds for the durable steps of mode ``lease``."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase

from ..exceptions import InvalidStep, StepUnknown, UnsupportedView
from ..idempotency import RERUN
from .faults import ReadTimeout
from .harness import Harness, text
from .leases import SHORT_S, Gone, LeaseHarness


class Bank:
    """What a step calls: it notes every key, and fails as often as it is told."""

    def __init__(self, *failures: BaseException) -> None:
        self.keys: list[str] = []
        self.failures = list(failures)

    def charge(self, key: str, amount: int) -> dict[str, Any]:
        """Take ``amount``, whatever becomes of the answer."""
        self.keys.append(key)
        if self.failures:
            raise self.failures.pop(0)
        return {"charge": len(self.keys), "amount": amount}

    async def acharge(self, key: str, amount: int) -> dict[str, Any]:
        """See charge()."""
        return self.charge(key, amount)


class Steps(LeaseHarness):
    """Each behaviour through a view that charges and then fails or not, and its repeat."""

    def paying(self, bank: Bank, *after: BaseException, **keywords: Any) -> Any:
        """Return a view that charges in a step and then raises each of ``after`` in turn."""
        to_come = list(after)

        def pay(request: HttpRequest) -> HttpResponseBase:
            found = request.idempotency.step("charge", bank.charge, 5, **keywords)  # type: ignore[attr-defined]
            if to_come:
                raise to_come.pop(0)
            return text(str(found), status=201)

        async def apay(request: HttpRequest) -> HttpResponseBase:
            found = await request.idempotency.astep("charge", bank.acharge, 5, **keywords)  # type: ignore[attr-defined]
            if to_come:
                raise to_come.pop(0)
            return text(str(found), status=201)

        return apay if self.asynchronous else pay

    def post_lost(self, view: Any) -> None:
        """Send a request whose process is gone half-way."""
        with self.assertRaises(Gone):
            self.post(view, raises=True)

    def test_step_that_has_ended_is_not_called_by_the_retry(self) -> None:
        bank = Bank()
        pay = self.paying(bank, ValueError("on purpose"), Gone())
        self.assertEqual(self.post(pay).status, 500)
        self.post_lost(pay)
        self.assertEqual(self.assert_once(pay).body, b"{'charge': 1, 'amount': 5}")
        self.assertEqual(len(bank.keys), 1)

    def test_step_that_raised_is_called_again_under_the_same_key(self) -> None:
        bank = Bank(ValueError("declined"), ValueError("declined"))
        pay = self.paying(bank, on_unknown="hold")
        for status in (500, 500, 201):
            self.assertEqual(self.post(pay).status, status)
        self.assertEqual((len(bank.keys), len(set(bank.keys))), (3, 1))
        self.post(pay, key="a" * 32)
        self.assertEqual(len(set(bank.keys)), 2)

    def test_step_of_unknown_outcome_is_called_again_by_default(self) -> None:
        bank = Bank(Gone(), TimeoutError())
        pay = self.paying(bank)
        self.post_lost(pay)
        self.assertEqual(self.post(pay).status, 500)
        self.assertEqual(self.post(pay).status, 201)
        self.assertEqual((len(bank.keys), len(set(bank.keys))), (3, 1))

    def test_step_of_unknown_outcome_is_held_where_it_must_not_be_repeated(self) -> None:
        for number, lost in enumerate((Gone(), TimeoutError(), StepUnknown())):
            with self.subTest(lost=lost):
                self.key = f"{number}" * 32
                bank = Bank(lost)
                pay = self.paying(bank, on_unknown="hold")
                if isinstance(lost, Gone):
                    self.post_lost(pay)
                for _ in range(3):
                    self.assert_problem(self.post(pay), 409, "outcome-held")
                self.assert_problem(self.post(pay, body=b"other"), 422, "key-reused")
                self.assertEqual(len(bank.keys), 1)

    def test_step_that_got_no_answer_is_held_and_one_that_was_refused_is_called_again(self) -> None:
        errors = ((ConnectionResetError(), 1), (ReadTimeout(), 1), (ConnectionRefusedError(), 2))
        for number, (error, calls) in enumerate(errors):
            with self.subTest(error=error):
                self.key = f"{number}" * 32
                bank = Bank(error)
                pay = self.paying(bank, on_unknown="hold")
                self.assertEqual([self.post(pay).status for _ in range(2)], [409, 409] if calls == 1 else [500, 201])
                self.assertEqual(len(bank.keys), calls)

    def test_step_of_unknown_outcome_is_resolved(self) -> None:
        asked = []

        def resolver(key: str, amount: int) -> Any:
            asked.append(key)
            return {"found": amount}

        bank = Bank(Gone())
        pay = self.paying(bank, on_unknown=resolver)
        self.post_lost(pay)
        self.assertEqual(self.assert_once(pay).body, b"{'found': 5}")
        self.assertEqual((bank.keys, len(asked)), (asked, 1))

    def test_step_that_the_resolver_says_never_happened_is_called_again(self) -> None:
        bank = Bank(Gone())
        pay = self.paying(bank, on_unknown=lambda key, amount: RERUN)
        self.post_lost(pay)
        self.assertEqual(self.assert_once(pay).body, b"{'charge': 2, 'amount': 5}")

    def test_step_that_the_resolver_cannot_tell_of_is_held(self) -> None:
        def resolver(key: str, amount: int) -> Any:
            raise StepUnknown

        bank = Bank(Gone())
        pay = self.paying(bank, on_unknown=resolver)
        self.post_lost(pay)
        self.assert_problem(self.post(pay), 409, "outcome-held")
        self.assertEqual(len(bank.keys), 1)

    def test_step_names_are_unique_in_a_request(self) -> None:
        bank = Bank()

        def twice(request: HttpRequest) -> HttpResponseBase:
            step = request.idempotency.step  # type: ignore[attr-defined]
            step("charge", bank.charge, 1)
            step("charge", bank.charge, 2)
            return text("")

        for _ in range(2):
            with self.assertRaisesRegex(InvalidStep, "'charge' was used before"):
                self.post(twice, raises=True)
        self.assertEqual(len(bank.keys), 1)

    def test_step_whose_result_is_not_json_is_an_error_and_not_recorded(self) -> None:
        for result in (object(), {1, 2}, float("nan")):

            def view(request: HttpRequest, result: Any = result) -> HttpResponseBase:
                def function(key: str) -> Any:
                    self.effect()
                    return result

                request.idempotency.step("odd", function)  # type: ignore[attr-defined]
                return text("")

            with self.subTest(result=result):
                for _ in range(2):
                    with self.assertRaisesRegex(InvalidStep, "'odd' must return JSON"):
                        self.post(view, raises=True)
        self.assertEqual(self.effects(), 0 if self.commits_writes else 6)

    def test_step_that_took_effect_and_returned_no_json_is_of_unknown_outcome(self) -> None:
        resolved = [TimeoutError(), {"found": 1}]

        def resolver(key: str) -> Any:
            answer = resolved.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        for on_unknown, statuses in (("hold", (409, 409)), (resolver, (500, 409))):
            keys: list[str] = []

            def withdraw(key: str, keys: list[str] = keys) -> Any:
                keys.append(key)
                return object()

            async def awithdraw(key: str, withdraw: Any = withdraw) -> Any:
                return withdraw(key)

            def view(request: HttpRequest, on_unknown: Any = on_unknown, withdraw: Any = withdraw) -> HttpResponseBase:
                request.idempotency.step("withdraw", withdraw, on_unknown=on_unknown)  # type: ignore[attr-defined]
                return text("", status=201)

            async def aview(request: HttpRequest, on_unknown: Any = on_unknown, call: Any = awithdraw) -> Any:
                await request.idempotency.astep("withdraw", call, on_unknown=on_unknown)  # type: ignore[attr-defined]
                return text("", status=201)

            self.key = f"{statuses[0]:032d}"
            for status in statuses:
                self.assertEqual(self.post(aview if self.asynchronous else view).status, status)
            self.assertEqual(len(keys), 1)

    def test_step_passes_on_any_keyword(self) -> None:
        def view(request: HttpRequest) -> HttpResponseBase:
            named = request.idempotency.step("greet", lambda key, **named: named, name="Ann", function=1)  # type: ignore[attr-defined]
            return text(str(named))

        for key in ("", None):
            self.assertEqual(self.post(view, key=key).body, b"{'name': 'Ann', 'function': 1}")

    def test_step_with_a_policy_that_is_none_is_an_error_and_nothing_is_called(self) -> None:
        bank = Bank()
        for key in ("", None):
            with self.assertRaisesRegex(InvalidStep, "on_unknown='later'"):
                self.post(self.paying(bank, on_unknown="later"), raises=True, key=key)
        self.assertEqual(bank.keys, [])

    def test_writes_of_a_step_last_with_its_result_or_not_at_all(self) -> None:
        failures = [ValueError("on purpose")]

        def write(key: str) -> str:
            self.effect("in the step")
            if failures:
                raise failures.pop()
            return key

        def view(request: HttpRequest) -> HttpResponseBase:
            request.idempotency.step("write", write)  # type: ignore[attr-defined]
            return text("", status=500 if request.headers.get("X-Fail") else 201)

        if not self.commits_writes:
            self.skipTest("this store does not commit what the view writes")
        for status, effects in ((500, 0), (201, 1)):
            self.assertEqual((self.post(view).status, self.effects()), (status, effects))

    def test_late_owners_step_is_refused_and_its_writes_are_undone(self) -> None:
        bank = Bank()

        def late_before(request: HttpRequest) -> HttpResponseBase:
            self.take_over(request)
            request.idempotency.step("charge", bank.charge, 1)  # type: ignore[attr-defined]
            return text("")

        def late_within(request: HttpRequest) -> HttpResponseBase:
            def write(key: str) -> None:
                self.effect()
                self.aside(self.take_over, request).result()

            request.idempotency.step("write", write)  # type: ignore[attr-defined]
            return text("")

        with self.policy(lease=SHORT_S):
            self.assert_problem(self.post(late_before), 409, "lease-lost")
            self.assertEqual(bank.keys, [])
            if self.commits_writes and self.writers_do_not_wait():
                self.assert_problem(self.post(late_within, key="a" * 32), 409, "lease-lost")
                self.assertEqual(self.effects(), 0)

    def writers_do_not_wait(self) -> bool:
        """Return whether another may write while a step does: not on SQLite."""
        from django.db import connections

        return connections[self.database].vendor != "sqlite"

    def test_step_without_a_key_is_called_each_time(self) -> None:
        bank = Bank()
        pay = self.paying(bank)
        for _ in range(2):
            self.assert_anew(pay, key=None)
        self.assertEqual(len(set(bank.keys)), 2)

    def test_results_of_steps_are_copies(self) -> None:
        bank = Bank()

        def view(request: HttpRequest) -> HttpResponseBase:
            found = request.idempotency.step("charge", bank.charge, 5)  # type: ignore[attr-defined]
            amount, found["amount"] = found["amount"], 0
            request.idempotency.step("next", lambda key: None)  # type: ignore[attr-defined]
            if not tries:
                tries.append(amount)
                raise ValueError("on purpose")
            return text(str(amount), status=201)

        tries: list[int] = []
        self.assertEqual(self.post(view).status, 500)
        again = self.post(view)
        self.assertEqual((again.body, len(bank.keys)), (b"5", 1))


class StepsInAtomicMode(Harness):
    """Where there is no lease."""

    def test_step_in_atomic_mode_is_an_error_that_names_the_mode(self) -> None:
        def view(request: HttpRequest) -> HttpResponseBase:
            request.idempotency.step("charge", lambda key: None)  # type: ignore[attr-defined]
            return text("")

        with self.assertRaisesRegex(UnsupportedView, "mode='lease'"):
            self.post(view, raises=True)
