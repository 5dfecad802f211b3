"""Conformance: the store is down, the line is cut, the view does what it should not; the site's own transactions."""

import contextlib
from typing import Any

from django.db import DatabaseError, IntegrityError, connections, transaction
from django.http import HttpRequest, HttpResponseBase

from ..exceptions import UnsupportedView
from .faults import proxied, rerouted, unreachable
from .harness import Harness, Reply, text
from .stage import Detail


class Outcomes(Harness):
    """Rows of the table: store down, lost during COMMIT; views that cannot be guarded."""

    def test_store_that_is_down_is_503_and_the_view_does_not_run(self) -> None:
        runs: list[int] = []

        def counting(request: HttpRequest) -> HttpResponseBase:
            runs.append(1)
            return text("ran")

        with unreachable(self.database):
            reply = self.post(counting)
            self.assertEqual(self.post(counting, key=None).status, 200)
        self.assert_problem(reply, 503, "store-unavailable")
        self.assertEqual(reply.headers["Retry-After"], "1")
        self.assertEqual(len(runs), 1)
        self.assert_once(counting)

    def test_store_that_is_down_lets_the_view_run_by_policy(self) -> None:
        with self.policy(on_unavailable="run"):
            with unreachable(self.database):
                for _ in range(2):
                    self.assert_anew(self.idle)
            self.assert_once(self.idle)

    def test_line_cut_before_the_commit_arrives_is_503_and_the_repeat_runs(self) -> None:
        reply = self._cut_at_commit(deliver=False)
        self.assert_problem(reply, 503, "outcome-unknown")
        self.assertEqual(self.effects(), 0)
        self.assert_once()
        self.assertEqual(self.effects(), 1)

    def test_line_cut_before_the_commit_is_answered_is_503_and_the_repeat_a_replay(self) -> None:
        reply = self._cut_at_commit(deliver=True)
        self.assert_problem(reply, 503, "outcome-unknown")
        self.assertTrue(self.post().replayed)
        self.assertEqual(self.effects(), 1)

    def _cut_at_commit(self, *, deliver: bool) -> Reply:
        def order(request: HttpRequest) -> HttpResponseBase:
            answer = self.order(request)
            proxy.deliver, proxy.cut_at = deliver, b"COMMIT"
            return answer

        with proxied(self.database) as proxy:
            return self.post(order)

    def test_durable_block_is_an_error_that_names_view_and_way_out(self) -> None:
        def durable(request: HttpRequest) -> HttpResponseBase:
            self.effect()
            with transaction.atomic(using=self.database, durable=True):
                return text("never")

        self.assert_unsupported(durable)

    def test_closed_connection_is_an_error_that_names_view_and_way_out(self) -> None:
        def closing(request: HttpRequest) -> HttpResponseBase:
            self.effect()
            connections[self.database].close()
            return text("never")

        self.assert_unsupported(closing)

    def test_closed_connection_and_what_fails_then_is_the_same_error(self) -> None:
        def closing(request: HttpRequest) -> HttpResponseBase:
            connections[self.database].close()
            self.effect()
            return text("never")

        self.assert_unsupported(closing)

    def assert_unsupported(self, view: Any) -> None:
        """Assert the error, and that nothing is left of the request."""
        with self.assertRaisesRegex(UnsupportedView, r"stage\.a?run .*mode='lease'"):
            self.post(view, raises=True)
        self.assertEqual((self.effects(), self.records().count()), (0, 0))
        self.assertFalse(connections[self.database].in_atomic_block)
        self.assert_once(key="f" * 32)

    def test_unique_key_of_the_views_own_is_not_taken_for_a_duplicate(self) -> None:
        def clashing(request: HttpRequest) -> HttpResponseBase:
            self.effect(reference="7")
            self.effect(reference="7")
            return text("never")

        with self.assertRaises(IntegrityError):
            self.post(clashing, raises=True)
        self.assertEqual((self.effects(), self.records().count()), (0, 0))

    def test_constraint_checked_at_the_commit_is_not_taken_for_a_duplicate(self) -> None:
        def dangling(request: HttpRequest) -> HttpResponseBase:
            self.effect()
            Detail.objects.using(self.database).create(effect_id=10**6)
            return text("never")

        with self.assertRaises(IntegrityError):
            self.post(dangling, raises=True)
        self.assertEqual((self.effects(), self.records().count()), (0, 0))

    def test_unique_key_caught_in_a_block_of_its_own_does_no_harm(self) -> None:
        def catching(request: HttpRequest) -> HttpResponseBase:
            self.effect(reference="7")
            try:
                with transaction.atomic(using=self.database):
                    self.effect(reference="7")
            except IntegrityError:
                self.effect()
            return text("done")

        self.assert_once(catching)
        self.assertEqual(self.effects(), 2)

    def test_error_swallowed_without_a_block_undoes_the_request_and_is_not_recorded(self) -> None:
        def swallowing(request: HttpRequest) -> HttpResponseBase:
            self.effect(reference="7")
            with contextlib.suppress(IntegrityError):
                self.effect(reference="7")  # Django marks the transaction for rollback
            return text("done")

        for _ in range(2):
            self.assertFalse(self.post(swallowing).replayed)
        self.assertEqual((self.effects(), self.records().count()), (0, 0))

    def test_error_swallowed_below_the_models_is_no_success_without_effects(self) -> None:
        def swallowing(request: HttpRequest) -> HttpResponseBase:
            self.effect()
            with contextlib.suppress(DatabaseError), connections[self.database].cursor() as cursor:
                cursor.execute("SELECT 1 FROM no_such_table")
            return text("done")

        lasts = connections[self.database].vendor != "postgresql"  # where an error ends the transaction
        self.assertEqual(self.post(swallowing).status, 200 if lasts else 500)
        self.assertEqual((self.effects(), self.records().count()), (int(lasts), int(lasts)))


class Sites(Harness):
    """What the site says: ``all_views``, ATOMIC_REQUESTS."""

    def test_all_views_guards_what_nobody_decorated(self) -> None:
        self.assertFalse(self.post(place="bare").replayed)
        self.assert_anew(place="bare")
        with self.policy(all_views=True):
            self.assert_once(place="bare", key="a" * 32)
            for _ in range(2):
                self.assert_anew(place="bare", key=None)
        self.assertEqual(self.effects(), 5)

    def test_all_views_leaves_exempt_views_alone(self) -> None:
        with self.policy(all_views=True):
            for _ in range(2):
                self.assert_anew(place="exempt")
        self.assertEqual((self.effects(), self.records().count()), (2, 0))

    def test_all_views_guards_a_decorated_view_once(self) -> None:
        with self.policy(all_views=True):
            self.assert_once()
        self.assertEqual((self.effects(), self.records().count()), (1, 1))

    def test_all_views_rolls_back_a_view_that_raises(self) -> None:
        def broken(request: HttpRequest) -> HttpResponseBase:
            self.effect()
            raise ValueError("on purpose")

        with self.policy(all_views=True):
            for _ in range(2):
                self.assertEqual(self.post(broken, place="bare").status, 500)
        self.assertEqual((self.effects(), self.records().count()), (0, 0))

    def test_atomic_requests_makes_no_difference(self) -> None:
        def broken(request: HttpRequest) -> HttpResponseBase:
            self.effect()
            raise ValueError("on purpose")

        def failing(request: HttpRequest) -> HttpResponseBase:
            self.effect()
            return text("", status=500)

        with rerouted(self.database, ATOMIC_REQUESTS=True):
            self.assert_once(place="sync")
            self.assert_anew(place="sync", key=None)
            for view in (broken, failing):
                self.assertEqual(self.post(view, place="sync", key="a" * 32).status, 500)
        self.assertEqual((self.effects(), self.records().count()), (2, 1))

    def test_atomic_requests_with_all_views_makes_no_difference(self) -> None:
        def broken(request: HttpRequest) -> HttpResponseBase:
            self.effect()
            raise ValueError("on purpose")

        with self.policy(all_views=True), rerouted(self.database, ATOMIC_REQUESTS=True):
            self.assert_once(place="bare-sync")
            self.assertEqual(self.post(broken, place="bare-sync", key="a" * 32).status, 500)
            for _ in range(2):
                self.assert_anew(place="exempt-sync", key="b" * 32)
        self.assertEqual((self.effects(), self.records().count()), (3, 1))
