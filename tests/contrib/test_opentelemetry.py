"""Real requests, told to the SDK of OpenTelemetry."""

import json
import subprocess
import sys
import uuid
from collections import Counter

from opentelemetry import trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider

from django_dist import signals
from django_dist.contrib.opentelemetry import Telemetry, instrument
from django_dist.exceptions import LockLost
from django_dist.locks import lock
from django_dist.locks.memory import MemoryLocks
from idempotency.site import SiteCase
from processes.clients import until

PATHS = ["/django/function", "/django/afunction", "/rest/decorated", "/ninja/async"]


class TelemetryTests(SiteCase):
    def setUp(self):
        super().setUp()
        self.reader = InMemoryMetricReader()
        self.provider = MeterProvider([self.reader])
        self.addCleanup(self.provider.shutdown)
        self.telemetry = Telemetry(self.provider)
        self.telemetry.connect()
        self.tracer = TracerProvider().get_tracer("tests")

    def send(self, path, body=b'{"item": 1}'):
        """Return the attributes of a span around a request."""
        with self.tracer.start_as_current_span("request") as span:
            self.answer = self.post(path, self.alice, body=body)
        return dict(span.attributes)

    def points(self, name):
        data = self.reader.get_metrics_data()
        found = [m for r in data.resource_metrics for s in r.scope_metrics for m in s.metrics if m.name == name]
        return [point for metric in found for point in metric.data.data_points]

    def counted(self):
        found = Counter()
        for point in self.points("django_dist.idempotency.requests"):
            found[point.attributes["outcome"], point.attributes.get("problem", "")] += point.value
        return found

    def test_outcomes_are_counted_and_told_to_the_span(self):
        for path in PATHS:
            self.key = uuid.uuid4().hex
            self.assertEqual(self.send(path)["django_dist.idempotency.outcome"], "finished")
            self.assertEqual(self.send(path)["django_dist.idempotency.outcome"], "replayed")
            refused = self.send(path, b'{"item": 2}')
            self.assertEqual(refused["django_dist.idempotency.problem"], "urn:django-dist:problem:key-reused")
        refusal = ("refused", "urn:django-dist:problem:key-reused")
        self.assertEqual(self.counted(), {(o, ""): 4 for o in ("claimed", "finished", "replayed")} | {refusal: 4})

    def test_time_of_each_claim_is_recorded(self):
        for _ in range(3):
            self.send("/django/function")
        points = {p.attributes["outcome"]: p for p in self.points("django_dist.idempotency.claim.duration")}
        self.assertEqual({outcome: point.count for outcome, point in points.items()}, {"claimed": 1, "replayed": 2})
        self.assertGreater(points["claimed"].sum, 0)

    def test_neither_key_nor_body_nor_user_is_told(self):
        spans = [self.send("/rest/decorated", b'{"item": 1, "card": "4242"}') for _ in range(2)]
        metrics = json.loads(self.reader.get_metrics_data().to_json())
        for secret in (self.key, str(uuid.UUID(self.key)), "4242", self.alice.username):
            self.assertNotIn(secret, json.dumps([spans, metrics]))

    def test_request_without_a_span_is_counted(self):
        self.assertIs(trace.get_current_span(), trace.INVALID_SPAN)
        self.post("/django/function", self.alice)
        self.assertEqual(self.counted()["finished", ""], 1)

    def test_locks_are_told_without_their_names(self):
        locks = MemoryLocks(alias="test")
        with lock("a secret name", using=locks):
            pass
        with self.assertRaises(LockLost), lock("a secret name", using=locks) as lease:
            locks.break_lock("a secret name")
            lease.check()
        kinds = ("wait.duration", "hold.duration", "losses")
        found = [self.points(f"django_dist.lock.{kind}") for kind in kinds[:2]]
        self.assertEqual([(point.count, dict(point.attributes)) for (point,) in found],
                         [(2, {"store": "MemoryLocks"}), (1, {"store": "MemoryLocks"})])  # fmt: skip
        until(lambda: self.points("django_dist.lock.losses"), "the loss is told")
        self.assertNotIn("secret", self.reader.get_metrics_data().to_json())

    def test_instrument_is_done_once(self):
        before = len(signals.request_claimed.receivers)
        for _ in range(2):
            instrument()
        self.assertEqual(len(signals.request_claimed.receivers), before + 1)

    def test_missing_package_names_its_extra(self):
        code = "import sys; sys.modules['opentelemetry'] = None; import django_dist.contrib.opentelemetry"
        done = subprocess.run([sys.executable, "-c", code], env={}, capture_output=True, text=True, check=False)
        self.assertIn("pip install 'django-dist[otel]'", done.stderr)
