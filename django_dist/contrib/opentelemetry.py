"""What becomes of requests and locks, for OpenTelemetry: counters, histograms, attributes on the current span."""

from typing import Any, Final

try:
    from opentelemetry import metrics, trace
except ImportError as error:
    raise ImportError("django_dist.contrib.opentelemetry needs it: pip install 'django-dist[otel]'") from error

from .. import __version__, signals
from ..exceptions import IdempotencyError

NAME: Final = "django_dist"


class Telemetry:
    """Tells the meter and the current span of each signal; never of a key, a body, the name of a lock or who asked."""

    def __init__(self, provider: metrics.MeterProvider | None = None) -> None:
        meter = metrics.get_meter(NAME, __version__, provider)
        self._outcomes = meter.create_counter(
            "django_dist.idempotency.requests", "{request}", "Guarded requests by outcome"
        )
        self._claims = meter.create_histogram(
            "django_dist.idempotency.claim.duration", "s", "Time from the key to the claim, the answer or the refusal"
        )
        self._waits = meter.create_histogram("django_dist.lock.wait.duration", "s", "Time until a lock was had")
        self._holds = meter.create_histogram("django_dist.lock.hold.duration", "s", "Time that a lock was held")
        self._losses = meter.create_counter("django_dist.lock.losses", "{lock}", "Locks lost while they were held")

    def connect(self) -> None:
        """Hear the signals, as long as this object lives."""
        signals.request_claimed.connect(self.claimed)
        signals.request_finished.connect(self.finished)
        signals.request_replayed.connect(self.replayed)
        signals.request_refused.connect(self.refused)
        signals.lock_acquired.connect(self.lock_acquired)
        signals.lock_released.connect(self.lock_released)
        signals.lock_lost.connect(self.lock_lost)

    def claimed(self, view: str, took: float, **_: Any) -> None:
        """Note a request whose view is about to run."""
        self._note("claimed", view)
        self._claims.record(took, {"outcome": "claimed", "view": view})

    def finished(self, view: str, **_: Any) -> None:
        """Note a request whose answer is recorded."""
        self._note("finished", view)

    def replayed(self, view: str, took: float, **_: Any) -> None:
        """Note a request that was answered from its record."""
        self._note("replayed", view)
        self._claims.record(took, {"outcome": "replayed", "view": view})

    def refused(self, view: str, took: float, error: IdempotencyError, **_: Any) -> None:
        """Note a request that was refused, and by which problem."""
        self._note("refused", view, problem=error.type)
        self._claims.record(took, {"outcome": "refused", "view": view})

    def lock_acquired(self, sender: type, waited: float, **_: Any) -> None:
        """Note a lock that was had."""
        self._waits.record(waited, {"store": sender.__name__})

    def lock_released(self, sender: type, held: float, **_: Any) -> None:
        """Note a lock that was released."""
        self._holds.record(held, {"store": sender.__name__})

    def lock_lost(self, sender: type, **_: Any) -> None:
        """Note a lock that was lost while it was held."""
        self._losses.add(1, {"store": sender.__name__})

    def _note(self, outcome: str, view: str, **more: str) -> None:
        facts = {"outcome": outcome, "view": view, **more}
        self._outcomes.add(1, facts)
        trace.get_current_span().set_attributes(
            {f"django_dist.idempotency.{name}": fact for name, fact in facts.items()}
        )


_installed: list[Telemetry] = []


def instrument() -> None:
    """Begin to tell OpenTelemetry, once a process, as in AppConfig.ready(); without it nobody listens."""
    if not _installed:
        _installed.append(Telemetry())
        _installed[0].connect()
