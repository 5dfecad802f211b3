"""Conformance: several at once, by threads that have connections of their own."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any

from django.db import connections
from django.http import HttpRequest, HttpResponseBase

from ..clock import StoreNow
from ..idempotency.registry import requests
from .case import PATIENCE_S
from .faults import blocked, kill, rerouted, session_of
from .harness import Harness, Reply, text

CROWD = 8


class SlowFirst(Harness):
    """A first request that ends when the test says so, and repeats that come meanwhile."""

    def setUp(self) -> None:
        super().setUp()
        self.skip_unless_shared()
        self.runs: list[int] = []
        self.started, self.go = threading.Event(), threading.Event()
        self.addCleanup(self.go.set)  # no thread is left behind by a failure

    def slow(self, request: HttpRequest) -> HttpResponseBase:
        """Take an order when the test says go."""
        self.runs.append(self.effect())
        self.started.set()
        self.go.wait(PATIENCE_S)
        return text("done", status=201)

    def begin(self) -> "Future[Reply]":
        """Start a first request, and return when its view runs."""
        first = self.aside(self.post, self.slow)
        self.assertTrue(self.started.wait(PATIENCE_S), "the view was not reached")
        return first

    def follow(self) -> "Future[Reply]":
        """Start a repeat, and return when it waits."""
        repeat = self.aside(self.post, self.slow)
        self.until(lambda: repeat.done() or blocked(self.database))
        return repeat

    def until(self, condition: Callable[[], bool]) -> None:
        """Return when ``condition`` holds."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            self.assertLess(time.monotonic(), deadline, "it never came")
            time.sleep(0.01)


class Races(SlowFirst):
    """Rows of the table: repeat while the first runs; expired or purged this instant."""

    def lingering(self, request: HttpRequest) -> HttpResponseBase:
        """Take an order, and leave the others time to come in between."""
        self.runs.append(self.effect())
        time.sleep(0.05)
        return text(str(self.runs[-1]), status=201)

    def hasty(self) -> AbstractContextManager[Any]:
        """Let SQLite wait briefly for its writer; the other databases do as the policy says."""
        options = connections[self.database].settings_dict["OPTIONS"]
        short = {**options, "timeout": 0.1} if connections[self.database].vendor == "sqlite" else options
        return rerouted(self.database, OPTIONS=short)

    def crowd(self, *others: Callable[[], Any]) -> list[Reply]:
        """Send the same request from a crowd at one instant, beside ``others``; return the answers."""
        barrier = threading.Barrier(CROWD + len(others))

        def at_once(call: Callable[[], Any]) -> Any:
            with connections[self.database].cursor():  # connected before the start
                barrier.wait(PATIENCE_S)
            return call()

        sent = [self.aside(at_once, lambda: self.post(self.lingering)) for _ in range(CROWD)]
        beside = [self.aside(at_once, other) for other in others]
        for future in beside:
            future.result(PATIENCE_S)
        return [future.result(PATIENCE_S) for future in sent]

    def assert_one(self, replies: list[Reply], effects: int) -> None:
        """Assert that the crowd had one effect, told to all who were not refused."""
        told = [reply for reply in replies if reply.status == 201]
        self.assertEqual({reply.status for reply in replies} - {201, 409}, set(), replies)
        self.assertEqual(len([reply for reply in told if not reply.replayed]), 1)
        self.assertEqual(len({reply.body for reply in told}), 1)
        self.assertEqual((len(self.runs), self.effects()), (effects, effects))

    def test_repeat_waits_and_gets_the_answer_of_the_first(self) -> None:
        first = self.begin()
        repeat = self.follow()
        self.assertFalse(repeat.done())
        self.go.set()
        self.assert_again(repeat.result(PATIENCE_S), first.result(PATIENCE_S))
        self.assertEqual((len(self.runs), self.effects()), (1, 1))

    def test_repeat_that_must_not_wait_is_refused_at_once(self) -> None:
        with self.hasty(), self.policy(wait=0):
            first = self.begin()
            repeat = self.aside(self.post, self.slow).result(PATIENCE_S)
            self.assertFalse(first.done())
            self.assert_problem(repeat, 409, "in-progress")
            self.assertEqual(repeat.headers["Retry-After"], "1")
            self.go.set()
            first.result(PATIENCE_S)
            self.assertTrue(self.post(self.slow).replayed)
        self.assertEqual((len(self.runs), self.effects()), (1, 1))

    def test_repeat_that_has_waited_in_vain_is_refused(self) -> None:
        with self.hasty(), self.policy(wait=0.1):
            self.begin()
            repeat = self.aside(self.post, self.slow).result(PATIENCE_S)
        self.assert_problem(repeat, 409, "in-progress")
        self.assertEqual(repeat.headers["Retry-After"], "1")
        self.assertEqual(len(self.runs), 1)

    def test_waiter_takes_over_when_the_first_is_undone(self) -> None:
        def failing(request: HttpRequest) -> HttpResponseBase:
            answer = self.slow(request)
            if len(self.runs) == 1:
                raise ValueError("on purpose")
            return answer

        first = self.aside(self.post, failing)
        self.assertTrue(self.started.wait(PATIENCE_S))
        repeat = self.aside(self.post, failing)
        self.until(lambda: blocked(self.database))
        self.go.set()
        self.assertEqual(first.result(PATIENCE_S).status, 500)
        taken = repeat.result(PATIENCE_S)
        self.assertEqual((taken.status, taken.replayed), (201, False))
        self.assertEqual((len(self.runs), self.effects()), (2, 1))

    def test_waiter_takes_over_when_the_connection_of_the_first_dies(self) -> None:
        vendor = connections[self.database].vendor
        sessions: list[int] = []

        def dying(request: HttpRequest) -> HttpResponseBase:
            if sessions:
                return self.order(request)
            self.effect()
            sessions.append(0 if vendor == "sqlite" else session_of(self.database))
            self.started.set()
            self.go.wait(PATIENCE_S)
            if vendor == "sqlite":
                connections[self.database].close()
            return text("too late", status=201)

        first = self.aside(self.post, dying)
        self.assertTrue(self.started.wait(PATIENCE_S))
        repeat = self.aside(self.post, dying)
        self.until(lambda: blocked(self.database))
        if vendor == "sqlite":
            self.go.set()
        else:
            kill(self.database, sessions[0])
        taken = repeat.result(PATIENCE_S)
        self.go.set()
        self.assertEqual((taken.status, taken.replayed), (201, False))
        self.assertGreaterEqual(first.result(PATIENCE_S).status, 500)
        self.assertEqual(self.effects(), 1)
        self.assert_again(self.post(dying), taken)

    def test_waiters_own_time_out_is_not_left_set_for_the_view(self) -> None:
        asking = {"postgresql": "SHOW lock_timeout", "mysql": "SELECT @@innodb_lock_wait_timeout"}
        vendor = connections[self.database].vendor
        if vendor not in asking:
            self.skipTest("no such setting here")

        def telling(request: HttpRequest) -> HttpResponseBase:
            self.slow(request)
            with connections[self.database].cursor() as cursor:
                cursor.execute(asking[vendor])
                told = text(str(cursor.fetchone()[0]))
            if len(self.runs) == 1:
                raise ValueError("on purpose")
            return told

        with connections[self.database].cursor() as cursor:
            cursor.execute(asking[vendor])
            (usual,) = cursor.fetchone()
        self.aside(self.post, telling)
        self.assertTrue(self.started.wait(PATIENCE_S))
        repeat = self.aside(self.post, telling)
        self.until(lambda: blocked(self.database))
        self.go.set()
        self.assertEqual(repeat.result(PATIENCE_S).body.decode(), str(usual))

    def test_other_keys_do_not_wait(self) -> None:
        if connections[self.database].vendor == "sqlite":
            self.skipTest("SQLite has one writer")
        self.begin()
        self.assert_anew(key="f" * 32)
        self.assertFalse(self.go.is_set())

    def test_crowd_has_one_effect(self) -> None:
        self.assert_one(self.crowd(), effects=1)

    def test_expired_record_counts_no_more(self) -> None:
        first = self.assert_once()
        self.expire()
        second = self.assert_once()
        self.assertNotEqual(second.body, first.body)
        self.assertEqual((self.effects(), self.records().count()), (2, 1))

    def test_record_lives_as_long_as_the_policy_says(self) -> None:
        with self.policy(ttl=100):
            self.post()
        record = self.records().get()
        self.assertAlmostEqual((record.expires_at - record.created_at).total_seconds(), 100, delta=1)

    def test_expired_record_does_not_refuse_another_request(self) -> None:
        self.assert_once()
        self.expire()
        self.assert_anew(body=b"another")

    def test_crowd_at_the_instant_of_expiry_has_one_effect(self) -> None:
        self.post(self.lingering)
        self.expire()
        self.assert_one(self.crowd(), effects=2)

    def test_crowd_at_the_instant_of_a_purge_has_one_effect(self) -> None:
        self.post(self.lingering)
        self.expire()
        purge = requests["default"].purge
        self.assert_one(self.crowd(lambda: purge(100), lambda: purge(100)), effects=2)
        self.assertTrue(self.post(self.lingering).replayed)

    def test_purge_removes_what_has_expired_and_nothing_else(self) -> None:
        for key in "abcde":
            self.post(key=key * 32)
        doomed = list(self.records().values_list("pk", flat=True)[:3])
        self.records().filter(pk__in=doomed).update(expires_at=StoreNow())
        store = requests["default"]
        self.assertEqual((store.expired(), store.purge(2), store.purge(2), store.purge(2)), (3, 2, 1, 0))
        self.assertEqual(self.records().count(), 2)

    def expire(self) -> None:
        """Let every record expire now."""
        self.records().update(expires_at=StoreNow())
