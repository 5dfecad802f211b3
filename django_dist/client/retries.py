"""Decide whether and when a request is sent again. Knows no HTTP library: httpx.py and requests.py drive it."""

import logging
import random
import time
import uuid
from collections.abc import Generator, Mapping, MutableMapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any, Final, Protocol

from .budget import RetryBudget

log: Final = logging.getLogger("django_dist.client")
HEADER: Final = "Idempotency-Key"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
#: May be repeated by RFC 9110, section 9.2.2; any other method only under a key.
IDEMPOTENT: Final = SAFE | {"PUT", "DELETE"}
#: Not processed, or not now. 409 is among them with Retry-After alone: else it is a conflict that lasts.
PASSING: Final = frozenset({408, 425, 429})
#: 501 and 505 are about what was asked, and stay.
LASTING: Final = frozenset({501, 505})
#: The longest body of unknown making that is read into memory, so that it can be sent again.
BUFFERED_BYTES: Final = 2**20


class Answered(Protocol):
    """A response of httpx or requests."""

    @property
    def headers(self) -> Mapping[str, str]: ...


def is_replay(response: Answered) -> bool:
    """Return whether ``response``, of httpx or requests, is the recorded answer of an earlier try."""
    return response.headers.get("Idempotent-Replayed") == "true"


@dataclass(frozen=True)
class Outcome:
    """What a try came to: an answer's status and headers, or no answer."""

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


NO_ANSWER: Final = Outcome()


@dataclass(frozen=True, kw_only=True)
class Retries:
    """How often and how long a client tries; one object may serve many clients, which then share its ``budget``.

    ``tries`` counts the first one. No try begins later than ``elapsed`` seconds after the first:
    where Retry-After asks for longer, its answer is returned at once. A pause is drawn from 0 to
    ``pause * 2 ** n``, at most ``longest_pause``, and stands on top of Retry-After.
    Source: M. Brooker, "Exponential Backoff And Jitter" (AWS, 2015), on full jitter.
    """

    tries: int = 5
    elapsed: float = 30.0
    pause: float = 0.1
    longest_pause: float = 5.0
    header: str = HEADER
    budget: RetryBudget = field(default_factory=RetryBudget)

    def __post_init__(self) -> None:
        if self.tries < 1 or min(self.elapsed, self.pause, self.longest_pause) < 0:
            raise ValueError(f"{self}: tries must be at least 1, and no number of seconds below 0")

    def add_key(self, method: str, headers: MutableMapping[str, Any]) -> None:
        """Give a request that may take effect a key, unless it has one; take the key off one that may not.

        A GET has a key where a redirect has made it from a POST, with the POST's headers.
        """
        if method.upper() in SAFE:
            headers.pop(self.header, None)
        elif self.header not in headers:
            headers[self.header] = str(uuid.uuid4())

    def turns(
        self, method: str, headers: Mapping[str, Any], rewindable: bool
    ) -> Generator[float | None, Outcome, None]:
        """Take the outcome of each try; yield the seconds until the next, or None when it was the last.

        ``rewindable`` says whether the body can be sent again.
        """
        self.budget.deposit()
        repeatable = method.upper() in IDEMPOTENT or bool(headers.get(self.header))
        deadline = time.monotonic() + self.elapsed
        outcome = yield None  # it is sent the first outcome
        for retry in range(self.tries - 1):
            if not repeatable or not passes(outcome):
                break
            if not rewindable:
                log.warning("%s is not sent again: its body is a stream; give bytes or a file", method)
                break
            pause = retry_after(outcome) + random.uniform(0, min(self.longest_pause, self.pause * 2**retry))  # noqa: S311
            if time.monotonic() + pause > deadline or not self.budget.withdraw():
                break
            log.info("%s is sent again in %.2f s: %s", method, pause, outcome.status or "no answer")
            outcome = yield pause
        yield None


def passes(outcome: Outcome) -> bool:
    """Return whether another try may fare better than ``outcome``."""
    status, headers = outcome.status, outcome.headers
    if status is None:
        return True
    if headers.get("Idempotent-Replayed") == "true":
        return False  # it is recorded, and would only be told again
    if status == 409:
        return "Retry-After" in headers  # still in progress; what is held, or not kept, has none
    return status in PASSING or (500 <= status < 600 and status not in LASTING)


def retry_after(outcome: Outcome) -> float:
    """Return the seconds that Retry-After asks for, by the server's own clock; 0 where it asks for none."""
    value = outcome.headers.get("Retry-After", "").strip()
    if value.isascii() and value.isdecimal():
        return float(value[:9])
    until = _timestamp(value)
    now = _timestamp(outcome.headers.get("Date", "")) or time.time()
    return max(0.0, until - now) if until is not None else 0.0


def _timestamp(value: str) -> float | None:
    try:
        return parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
