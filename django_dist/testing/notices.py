"""Conformance: what a request costs, what the view may ask, and what is told of it."""

import logging
from typing import Any
from uuid import UUID

from django.db import connections, transaction
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponseBase
from django.test.utils import CaptureQueriesContext

from .. import signals
from .faults import proxied
from .harness import Harness, text

SECRET = b"the body is nobody's business"


class Notices(Harness):
    """request.idempotency, signals, log records, round trips."""

    def test_view_sees_key_and_digest(self) -> None:
        def telling(request: HttpRequest) -> HttpResponseBase:
            own = request.idempotency  # type: ignore[attr-defined]
            return text(f"{own.key} {own.digest}")

        key, digest = self.post(telling).body.decode().split()
        self.assertEqual(UUID(key), UUID(self.key))
        self.assertEqual(self.records().get().pk, UUID(digest))
        self.assertEqual(self.post(telling, key=None).body, b"None None")

    def test_derived_key_is_stable_over_retries_and_differs_by_name_and_request(self) -> None:
        derived: list[list[UUID]] = []

        def deriving(request: HttpRequest) -> HttpResponseBase:
            own = request.idempotency  # type: ignore[attr-defined]
            derived.append([own.derive("charge"), own.derive("charge"), own.derive("mail")])
            return text("", status=500)

        for key in (self.key, self.key, "f" * 32, None, None):
            self.post(deriving, key=key)
        self.post(deriving, visitor="alice")
        self.assertEqual(derived[0], derived[1])
        for charge, same, mail in derived:
            self.assertEqual((charge, charge.version), (same, 5))
            self.assertNotEqual(charge, mail)
        self.assertEqual(len({charge for charge, _, _ in derived}), 5)

    def test_signals_tell_what_happened_but_neither_key_nor_body(self) -> None:
        names = ["request_claimed", "request_finished", "request_replayed", "request_refused"]
        told: list[tuple[str, dict[str, Any]]] = []
        for name in names:
            self._listen(getattr(signals, name), lambda name=name, **facts: told.append((name, facts)))
        self.post(body=SECRET)
        self.post(body=SECRET)
        self.post(body=SECRET + b"!")
        self.post(body=SECRET, headers={"Idempotency-Key": "malformed"})
        self.assertEqual([name for name, _ in told], [*names, "request_refused"])
        digest = self.records().get().pk
        for _, facts in told[:-1]:
            self.assertEqual(facts["digest"], digest)
        for _, facts in told:
            self.assertIn("django_dist.testing.stage", facts["view"])
            self.assert_discreet({**facts, "request": None})
        self.assertEqual([facts.get("status") for _, facts in told[:3]], [None, 201, 201])

    def test_receiver_that_raises_does_no_harm(self) -> None:
        def failing(**facts: Any) -> None:
            raise ValueError("on purpose")

        for signal in (signals.request_claimed, signals.request_finished, signals.request_replayed):
            self._listen(signal, failing)
        self.assert_once()

    def _listen(self, signal: Signal, receiver: Any) -> None:
        signal.connect(receiver, weak=False)
        self.addCleanup(signal.disconnect, receiver)

    def test_log_records_carry_the_digest_but_neither_key_nor_body(self) -> None:
        with self.assertLogs("django_dist", logging.DEBUG) as logs:
            self.post(body=SECRET)
            self.post(body=SECRET)
            self.post(body=SECRET + b"!")
            self.post(body=SECRET, headers={"Idempotency-Key": self.key + "zz"})
        self.assertIn(str(self.records().get().pk), {getattr(record, "digest", None) for record in logs.records})
        for record in logs.records:
            self.assert_discreet({"message": record.getMessage(), **vars(record)})

    def assert_discreet(self, facts: dict[str, Any]) -> None:
        """Assert that neither key nor body is told."""
        for secret in (self.key, UUID(self.key).hex, SECRET.decode()):
            self.assertNotIn(secret, repr(facts))

    def test_round_trips_are_within_the_budget(self) -> None:
        def alone(request: HttpRequest) -> HttpResponseBase:
            with transaction.atomic(using=self.database):
                return self.order(request)

        with proxied(self.database) as proxy:
            connections[self.database].ensure_connection()
            self.post(key=None)
            bare = self._counted(proxy, view=alone, key=None)
            first, replay = self._counted(proxy), self._counted(proxy)
            idle = self._counted(proxy, view=self.idle, key=None)
        self.assertGreaterEqual(bare, 3)
        self.assertLessEqual(first - bare, 2)
        self.assertLessEqual(replay, bare)
        self.assertEqual(idle, 0)

    def _counted(self, proxy: Any, **request: Any) -> int:
        before = proxy.round_trips
        self.post(**request)
        return int(proxy.round_trips - before)

    def test_statements_are_within_the_budget(self) -> None:
        if connections[self.database].vendor != "sqlite":
            self.skipTest("counted on the wire")

        def alone(request: HttpRequest) -> HttpResponseBase:
            with transaction.atomic(using=self.database):
                return self.order(request)

        counts = []
        for request in ({"view": alone, "key": None}, {}, {}):
            with CaptureQueriesContext(connections[self.database]) as seen:
                self.post(**request)  # type: ignore[arg-type]
            counts.append(len(seen))
        bare, first, replay = counts
        self.assertLessEqual(first - bare, 2)
        self.assertLessEqual(replay, 3)
