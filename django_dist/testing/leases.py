"""What holds in mode ``lease``: one holder, renewed while it works, taken over when it is gone, refused when late."""

import threading
from functools import wraps
from time import monotonic
from typing import Any, ClassVar

from asgiref.sync import iscoroutinefunction
from django.core.exceptions import PermissionDenied
from django.db import connections
from django.http import Http404, HttpRequest, HttpResponseBase
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from ..exceptions import UnsupportedView
from ..idempotency.lease import LeaseAttempt
from ..idempotency.renewer import renewer
from .case import PATIENCE_S
from .faults import rerouted
from .harness import Harness, Reply, text
from .stage import View

SHORT_S = 0.3  # a lease that a test can outlive


class Gone(BaseException):
    """In the place of SIGKILL: nothing of the view's is done after it."""


class LeaseHarness(Harness):
    """A site whose policy is mode ``lease``."""

    #: Whether a step's writes to ``database``, and those of finishing(), are committed by the store itself.
    commits_writes: ClassVar[bool] = True

    def setUp(self) -> None:
        super().setUp()
        self.addCleanup(self._assert_nothing_is_renewed)
        settings = self.policy()
        settings.enable()
        self.addCleanup(settings.disable)

    def policy(self, **keywords: Any) -> override_settings:
        """See Harness.policy()."""
        return super().policy(**{"mode": "lease", **keywords})

    def _assert_nothing_is_renewed(self) -> None:
        left = [held.view for held in renewer._held.values()]
        renewer._held.clear()
        self.assertEqual(left, [], "leases are renewed of requests that have ended")

    def skip_unless_committed(self) -> None:
        """Skip where the store does not commit what the view writes."""
        if not self.commits_writes:
            self.skipTest("this store does not commit what the view writes")

    def lose(self, request: HttpRequest) -> LeaseAttempt:
        """Let the lease of a view at work run out, as if its process stood still; return its try."""
        attempt = self.attempt_of(request)
        renewer.remove(attempt.owner)
        until = monotonic() + PATIENCE_S
        while (standing := attempt.store.look(attempt.digest)) is not None and standing.left > 0:
            self.assertLess(monotonic(), until)
        return attempt

    def attempt_of(self, request: HttpRequest) -> LeaseAttempt:
        """Return the try that runs ``request``."""
        attempt = request.idempotency.attempt  # type: ignore[attr-defined]
        self.assertIsInstance(attempt, LeaseAttempt)
        assert isinstance(attempt, LeaseAttempt)
        return attempt

    def take_over(self, request: HttpRequest) -> LeaseAttempt:
        """Let another try have the request of a view at work; return that try."""
        lost = self.lose(request)
        assert lost.claimed is not None
        other = type(lost)(lost.store, 60.0)
        self.assertIsNone(other.claim(lost.claimed._replace(wait=1.0)))
        self.addCleanup(other.abandon)
        return other


class LastWrites(LeaseHarness):
    """A site whose views write all they write in finishing(): there mode ``lease`` promises what ``atomic`` does."""

    def post(self, view: View | None = None, **request: Any) -> Reply:
        """See Harness.post()."""
        view = view or self.order
        return super().post(view if iscoroutinefunction(view) else self.finishing(view), **request)

    def finishing(self, view: View) -> View:
        """Return ``view`` with all of it in the block of the last writes."""

        @wraps(view)
        def within(request: HttpRequest) -> Any:
            own = getattr(request, "idempotency", None)
            if own is None or not self.commits_writes or not isinstance(own.attempt, LeaseAttempt):
                return view(request)
            with own.finishing():
                return view(request)

        return within


class Leases(LeaseHarness):
    """The lease itself."""

    def test_lease_repeat_gets_the_answer_of_the_first(self) -> None:
        self.assert_once()
        self.assertEqual(self.effects(), 1)

    def test_lease_is_let_go_when_the_view_raises_or_answers_5xx(self) -> None:
        def broken(request: HttpRequest) -> HttpResponseBase:
            self.effect()
            raise ValueError("on purpose")

        def failing(request: HttpRequest) -> HttpResponseBase:
            self.effect()
            return text("", status=503)

        with self.policy(lease=60, wait=0):
            for view, status in ((broken, 500), (broken, 500), (failing, 503), (failing, 503)):
                self.assertEqual(self.post(view, key="ab"[view is failing] * 32).status, status)
        self.assertEqual(self.effects(), 4)  # what was written in autocommit stays: see finishing()

    def test_lease_refusal_made_from_an_exception_is_recorded(self) -> None:
        def missing(request: HttpRequest) -> HttpResponseBase:
            raise Http404

        def forbidden(request: HttpRequest) -> HttpResponseBase:
            raise PermissionDenied

        self.assertEqual(self.assert_once(missing).status, 404)
        for _ in range(2):
            reply = self.post(forbidden, key="a" * 32)
            self.assertEqual((reply.status, reply.replayed), (403, False))

    def test_lease_is_renewed_while_the_view_runs(self) -> None:
        self.skip_unless_shared()
        at_work, done = threading.Event(), threading.Event()

        def slow(request: HttpRequest) -> HttpResponseBase:
            self.effect()
            at_work.set()
            done.wait(PATIENCE_S)
            return text("slow", status=201)

        with self.policy(lease=1.0, wait=2.0):
            first = self.aside(self.post, slow)
            self.assertTrue(at_work.wait(PATIENCE_S))
            self.assert_problem(self.post(slow), 409, "in-progress")
            done.set()
            self.assert_again(self.post(slow), first.result(PATIENCE_S))
        self.assertEqual(self.effects(), 1)

    def test_lease_waiter_gets_the_answer_and_one_that_must_not_wait_is_refused(self) -> None:
        self.skip_unless_shared()
        at_work, done = threading.Event(), threading.Event()

        def slow(request: HttpRequest) -> HttpResponseBase:
            at_work.set()
            done.wait(PATIENCE_S)
            return text("slow", status=201)

        with self.policy(wait=PATIENCE_S):
            first = self.aside(self.post, slow)
            self.assertTrue(at_work.wait(PATIENCE_S))
            with self.policy(wait=0):
                refused = self.post(slow)
            self.assert_problem(refused, 409, "in-progress")
            self.assertEqual(refused.headers["Retry-After"], "1")
            self.assert_problem(self.post(slow, body=b"other"), 422, "key-reused")
            waiter = self.aside(self.post, slow)
            done.set()
            self.assert_again(waiter.result(PATIENCE_S), first.result(PATIENCE_S))

    def test_lease_that_has_run_out_is_taken_over_by_one_that_waits(self) -> None:
        self.skip_unless_shared()
        lost, done = threading.Event(), threading.Event()
        runs = []

        def slow(request: HttpRequest) -> HttpResponseBase:
            runs.append(request)
            if len(runs) == 1:
                renewer.remove(self.attempt_of(request).owner)
                lost.set()
                done.wait(PATIENCE_S)
            return text(f"run {len(runs)}", status=201)

        with self.policy(lease=SHORT_S, wait=PATIENCE_S):
            first = self.aside(self.post, slow)
            self.assertTrue(lost.wait(PATIENCE_S))
            second = self.post(slow)
            self.assertEqual((second.status, second.body, second.replayed), (201, b"run 2", False))
            done.set()
            self.assert_again(first.result(PATIENCE_S), second)  # the late one tells what has been recorded

    def test_lease_is_renewed_no_more_after_max_run(self) -> None:
        self.skip_unless_shared()
        at_work, done = threading.Event(), threading.Event()
        runs = []

        def hung(request: HttpRequest) -> HttpResponseBase:
            runs.append(request)
            at_work.set()
            if len(runs) == 1:
                done.wait(PATIENCE_S)
            return text("", status=201)

        with self.policy(lease=SHORT_S, max_run=SHORT_S, wait=PATIENCE_S):
            first = self.aside(self.post, hung)
            self.assertTrue(at_work.wait(PATIENCE_S))
            self.assertEqual(self.post(hung).status, 201)
            done.set()
            self.assertTrue(first.result(PATIENCE_S).replayed)

    def test_lease_lost_is_told_by_check_and_the_view_ends_with_409(self) -> None:
        def late(request: HttpRequest) -> HttpResponseBase:
            request.idempotency.check()  # type: ignore[attr-defined]
            self.effect("before")
            self.take_over(request)
            request.idempotency.check()  # type: ignore[attr-defined]
            self.effect("after")
            return text("")

        with self.policy(lease=SHORT_S):
            self.assert_problem(self.post(late), 409, "lease-lost")
        self.assertEqual((self.effects(what="before"), self.effects(what="after")), (1, 0))

    def test_lease_lost_keeps_the_late_answer_from_being_recorded(self) -> None:
        def late(request: HttpRequest) -> HttpResponseBase:
            self.take_over(request)
            return text("late", status=201)

        with self.policy(lease=SHORT_S, wait=0):
            self.assert_problem(self.post(late), 409, "lease-lost")
            self.assert_problem(self.post(late), 409, "in-progress")

    def test_lease_lost_takes_the_last_writes_along(self) -> None:
        self.skip_unless_committed()

        def late(request: HttpRequest) -> HttpResponseBase:
            self.effect("early")
            self.take_over(request)
            with request.idempotency.finishing():  # type: ignore[attr-defined]
                self.effect("last")
            self.effect("after the block, and in it")
            return text("late", status=201)

        with self.policy(lease=SHORT_S):
            self.assert_problem(self.post(late), 409, "lease-lost")
        self.assertEqual((self.effects(), self.effects(what="early")), (1, 1))

    def test_last_writes_are_committed_with_the_answer_alone(self) -> None:
        self.skip_unless_committed()

        def view(request: HttpRequest) -> HttpResponseBase:
            before = self.effects()
            with request.idempotency.finishing():  # type: ignore[attr-defined]
                self.effect()
            self.assertEqual(self.aside(self.effects).result(PATIENCE_S), before)
            status = int(request.headers.get("X-Status", 201))
            if status == 404:
                raise Http404
            return text("", status=status)

        self.skip_unless_shared()
        self.assert_once(view)
        self.assertEqual(self.effects(), 1)
        for status in ("404", "500"):
            self.assertEqual(
                self.post(view, key=status * 8 + "0" * 8, headers={"X-Status": status}).status, int(status)
            )
        self.assertEqual(self.effects(), 1)

    def test_lease_under_atomic_requests_is_an_error_that_names_the_mend(self) -> None:
        refused = self.assertRaisesRegex(UnsupportedView, "non_atomic_requests")
        with rerouted(self.database, ATOMIC_REQUESTS=True), refused:
            self.post(place="sync", raises=True)
        self.assertEqual((self.effects(), self.records().count()), (0, 0))

    def test_lease_takes_three_statements_and_a_replay_is_counted(self) -> None:
        if not self.commits_writes:
            self.skipTest("this store is asked in another way")
        with CaptureQueriesContext(connections[self.database]) as first:
            self.post(self.idle, place="sync")
        self.assertEqual(len(first), 3, first.captured_queries)  # claim, who has it, finish; each a commit of its own
        self.post(self.idle, place="sync")
        self.assertEqual([record.replays for record in self.records()], [1])
