"""What holds in mode ``lease`` where the store is lost, or fails at the COMMIT, and where a hook raises."""

import contextlib
from collections.abc import Callable
from typing import Any

from django.db import IntegrityError, OperationalError, transaction
from django.http import HttpRequest, HttpResponseBase

from ..exceptions import BackendUnavailable
from .case import PATIENCE_S
from .faults import proxied, unreachable
from .harness import Reply, text
from .leases import SHORT_S, LeaseHarness
from .stage import Detail
from .steps import Bank


class LeaseLosses(LeaseHarness):
    """The store is a database, and is lost while it writes a result or the answer."""

    def test_answer_whose_reply_is_lost_is_503_outcome_unknown(self) -> None:
        self.skip_unless_committed()
        for number, (word, within) in enumerate(((b"UPDATE", False), (b"COMMIT", True))):
            for deliver in (False, True):
                with self.subTest(within=within, deliver=deliver):
                    key = f"{number}{int(deliver)}" * 16
                    self.assert_problem(self.lost_answer(key, word, within, deliver), 503, "outcome-unknown")
                    with self.policy(wait=PATIENCE_S, lease=SHORT_S):
                        again = self.post(self.idle, key=key, place="sync")
                    self.assertEqual((again.status, again.replayed), (201, True) if deliver else (200, False))
                    self.assertEqual(self.effects(what=key), int(deliver) if within else 0)

    def lost_answer(self, key: str, word: bytes, within: bool, deliver: bool) -> Reply:
        """Send a request whose connection is cut when the store is sent ``word`` after the view."""

        def view(request: HttpRequest) -> HttpResponseBase:
            if within:
                with request.idempotency.finishing():  # type: ignore[attr-defined]
                    self.effect(key)
            proxy.deliver, proxy.cut_at = deliver, word
            return text("taken", status=201)

        view.__name__ = "idle"
        with self.policy(lease=SHORT_S), proxied(self.database) as proxy:
            return self.post(view, key=key, place="sync")

    def test_step_whose_commit_is_not_answered_keeps_what_was_committed(self) -> None:
        self.skip_unless_committed()
        for deliver, status in ((True, 201), (False, 409)):
            with self.subTest(deliver=deliver):
                self.key, bank = f"{int(deliver)}" * 32, Bank()
                self.assert_problem(self.lost_step(bank, b"COMMIT", deliver), 503, "outcome-unknown")
                with self.policy(lease=SHORT_S, wait=PATIENCE_S):
                    self.assertEqual(self.post(self.charging(bank.charge)).status, status)
                self.assertEqual(len(bank.keys), 1)

    def lost_step(self, bank: Bank, word: bytes, deliver: bool) -> Reply:
        """Send a request whose connection is cut when the store is sent ``word`` after the charge."""

        def charge(key: str, amount: int) -> Any:
            self.effect()
            proxy.deliver, proxy.cut_at = deliver, word
            return bank.charge(key, amount)

        with self.policy(lease=SHORT_S), proxied(self.database) as proxy:
            return self.post(self.charging(charge, lambda: setattr(proxy, "cut_at", None)))

    def charging(self, function: Callable[..., Any], failed: Callable[[], None] = lambda: None) -> Any:
        """Return a view that calls ``function`` in a step that must not be repeated."""

        def pay(request: HttpRequest) -> HttpResponseBase:
            try:
                found = request.idempotency.step("charge", function, 5, on_unknown="hold")  # type: ignore[attr-defined]
            except BackendUnavailable:
                failed()
                with contextlib.suppress(Exception):  # whatever the view does now: nothing is written over
                    request.idempotency.step("more", lambda key: None)  # type: ignore[attr-defined]
                raise
            return text(str(found), status=201)

        return pay

    def test_step_that_could_not_be_announced_is_not_called_and_not_unknown(self) -> None:
        self.skip_unless_committed()
        bank = Bank()

        def pay(request: HttpRequest) -> HttpResponseBase:
            cut(request)
            try:
                request.idempotency.step("charge", bank.charge, 5, on_unknown="hold")  # type: ignore[attr-defined]
            finally:
                proxy.cut_at = None
            return text("", status=201)

        def cut(request: HttpRequest) -> None:
            if "X-Cut" in request.headers:
                proxy.deliver, proxy.cut_at = True, b"UPDATE"

        with self.policy(wait=0), proxied(self.database) as proxy:
            self.assert_problem(self.post(pay, headers={"X-Cut": "1"}), 503, "store-unavailable")
            self.assertEqual((self.post(pay).status, len(bank.keys)), (201, 1))

    def test_store_that_is_down_when_a_failure_is_told_does_not_hide_it(self) -> None:
        self.skip_unless_committed()
        with contextlib.ExitStack() as down, self.policy(lease=SHORT_S, wait=PATIENCE_S):

            def view(request: HttpRequest) -> HttpResponseBase:
                if "X-Down" in request.headers:
                    down.enter_context(unreachable(self.database))
                    return text("the bank is closed", status=502)
                return text("", status=201)

            self.assertEqual(self.post(view, place="sync", headers={"X-Down": "1"}).status, 502)
            down.close()
            self.assertEqual(self.post(view, place="sync").status, 201)

    def test_hook_of_the_last_writes_that_raises_is_500_and_the_repeat_a_replay(self) -> None:
        self.skip_unless_committed()
        for number, error in enumerate((ValueError("on purpose"), OperationalError("of another database"))):

            def view(request: HttpRequest, error: Exception = error) -> HttpResponseBase:
                with request.idempotency.finishing():  # type: ignore[attr-defined]
                    self.effect()
                transaction.on_commit(_raising(error), using=self.database)
                return text("", status=201)

            with self.subTest(error=error):
                self.assertEqual(self.post(view, key=f"{number}" * 32).status, 500)
                self.assertTrue(self.post(view, key=f"{number}" * 32).replayed)
        self.assertEqual(self.effects(), 2)

    def test_hook_of_a_step_that_raises_leaves_the_result(self) -> None:
        self.skip_unless_committed()
        bank = Bank()
        for number, error in enumerate((ValueError("on purpose"), OperationalError("of another database"))):

            def charge(key: str, amount: int, error: Exception = error) -> Any:
                transaction.on_commit(_raising(error), using=self.database)
                return bank.charge(key, amount)

            key = f"{number}" * 32
            self.assertEqual(self.post(self.charging(charge), key=key).status, 500)
            self.assertEqual(self.post(self.charging(charge), key=key).status, 201)
        self.assertEqual(len(bank.keys), 2)

    def test_constraint_that_fails_with_the_answer_lets_the_request_go_at_once(self) -> None:
        self.skip_unless_committed()

        def dangling(request: HttpRequest) -> HttpResponseBase:
            with request.idempotency.finishing():  # type: ignore[attr-defined]
                self.effect()
                Detail.objects.using(self.database).create(effect_id=10**6)
            return text("never")

        with self.policy(wait=0):
            for _ in range(2):
                with self.assertRaises(IntegrityError):
                    self.post(dangling, raises=True)
        self.assertEqual((self.effects(), self.records().count()), (0, 0))


def _raising(error: Exception) -> Callable[[], None]:
    def hook() -> None:
        raise error

    return hook
