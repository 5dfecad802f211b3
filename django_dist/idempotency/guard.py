"""One request under a key: refused, answered from its record, or run and recorded.

Not tied to a web framework's hooks: middleware.py and calls.py call it.
"""

import logging
import time
from typing import Any, Final

from django.core.exceptions import SuspiciousOperation
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponseBase
from django.http.multipartparser import MultiPartParserError
from django.http.request import UnreadablePostError

from .. import signals
from ..exceptions import (
    BackendUnavailable,
    IdempotencyError,
    LeaseLost,
    OutcomeHeld,
    OutcomeUnknown,
    RequestInProgress,
    StoreUnavailable,
    UnsupportedView,
)
from .base import Answer, Attempt, Claim, Record
from .claims import checked, claim_of
from .own import Idempotency
from .policy import Policy
from .problems import refusal
from .registry import requests
from .replay import body_of, discard, to_answer, to_response

log: Final = logging.getLogger("django_dist.idempotency")
#: A request that could not be read is nobody's final answer.
UNREADABLE: Final = (SuspiciousOperation, MultiPartParserError, UnreadablePostError)


class Guard:
    """Carries one request from its key to its recorded answer; sync, and on one thread at a time."""

    def __init__(self, request: HttpRequest, policy: Policy, view: str) -> None:
        self.request, self.policy, self.view = request, policy, view
        self.claim: Claim | None = None
        self.attempt: Attempt | None = None  # while it holds the digest
        self.replay: HttpResponseBase | None = None
        self.failed = self.unreadable = self.unguarded = False
        self.body: bytes | None = None  # of the answer, where it was read on the event loop
        self.body_read = False
        self.took = 0.0  # seconds that the claim took, a wait for another try included

    @property
    def own(self) -> Idempotency:
        """The request's face to the view."""
        own: Idempotency = self.request.idempotency  # type: ignore[attr-defined]
        return own

    @property
    def at_work(self) -> bool:
        """Whether the view runs under this guard: what it calls is inside, and needs none of its own."""
        return self.unguarded or (self.attempt is not None and not self.failed)

    def enter(self, user: Any) -> HttpResponseBase | None:
        """Claim the request; return what to answer instead of running the view, or None to run it."""
        started = time.perf_counter()
        try:
            try:
                self.claim = claim_of(self.request, self.own, user, self.policy, self.view)
                if self.claim is None:
                    return None
                found = self._take(self.claim)
            finally:
                self.took = time.perf_counter() - started
        except IdempotencyError as error:
            return self._refuse(error)
        except BackendUnavailable as error:
            if self.policy.on_unavailable == "run":
                log.error("%s runs unguarded: %s", self.view, error, extra=self._facts())
                self.unguarded = True
                return None
            log.error("%s is refused: %s", self.view, error, extra=self._facts())
            return self._refuse(StoreUnavailable("The record of requests cannot be read now.", retry_after=1))
        if found is not None:
            return self._again(found)
        self._tell(signals.request_claimed)
        return None

    def _take(self, claim: Claim) -> Record | None:
        if self.own.resumed is not None:
            self.attempt, self.own.resumed = self.own.resumed, None
            return None
        using = self.policy.using
        # A lease commits before the view: what ATOMIC_REQUESTS has opened around it is refused by its claim.
        enclosed = None if self.policy.mode == "lease" else self.own.enclosed.get(using)
        attempt = enclosed or requests[using].attempt(self.policy.mode, float(self.policy.max_run))
        found = attempt.claim(claim)
        if found is None:
            self.attempt = self.own.attempt = attempt
            return None
        return checked(found, claim, self.request, self.policy)

    def _again(self, found: Record) -> HttpResponseBase:
        assert found.answer is not None  # noqa: S101  (told to the type checker)
        self.replay = to_response(found.answer)
        self._tell(signals.request_replayed, status=found.answer.status)
        return self.replay

    def _refuse(self, error: IdempotencyError) -> HttpResponseBase:
        self.attempt = None
        log.warning("%s refused with %s: %s", self.view, error.status, error.title, extra=self._facts())
        self._tell(signals.request_refused, error=error)
        return refusal(self.request, error, self.policy)

    def fail(self, error: Exception) -> HttpResponseBase | None:
        """Undo what the view wrote, because ``error`` leaves it; return what to answer instead of the error.

        Raises UnsupportedView from ``error`` when the view did what its mode cannot guard.
        """
        self.failed = True
        self.unreadable = isinstance(error, UNREADABLE) or getattr(error, "default_code", None) == "parse_error"
        if self.attempt is None:
            return None
        if (instead := self.lost(error)) is not None:
            return instead
        broken = self.attempt.broken
        self.attempt.undo()
        if isinstance(error, LeaseLost | OutcomeHeld):
            self.attempt.abandon()
            return self._refuse(error)
        if broken:
            raise self._unsupported("closes the database connection") from error
        if isinstance(error, RuntimeError) and "durable" in str(error):
            raise self._unsupported("opens atomic(durable=True)") from error
        return None

    def lost(self, error: BaseException) -> HttpResponseBase | None:
        """Return what to answer where ``error`` is the loss of the store; None where it is not."""
        if self.attempt is None:
            return None
        if isinstance(error, BackendUnavailable) and self.attempt.outlives:  # of a step, or check()
            return self._store_lost(error)
        if not self.attempt.lost(error):
            return None
        self.attempt.undo()
        log.error("%s lost its connection to the store", self.view, exc_info=error, extra=self._facts())
        return self._refuse(StoreUnavailable("The store was lost and nothing was done; repeat it.", retry_after=1))

    def _store_lost(self, error: BackendUnavailable) -> HttpResponseBase:
        self.abandon()
        log.error("%s: %s", self.view, error, extra=self._facts())
        problem = OutcomeUnknown if error.committing else StoreUnavailable
        return self._refuse(problem("The store was lost; repeat the request to find out.", retry_after=1))

    def _unsupported(self, deed: str) -> UnsupportedView:
        return UnsupportedView(
            f"{self.view} {deed} inside the transaction of @idempotent; leave that out, or use mode='lease'. "
            "Its writes were rolled back and nothing is recorded."
        )

    def abandon(self) -> None:
        """Undo what the view wrote; do nothing when the request has ended."""
        if self.attempt is not None:
            self.attempt.abandon()
            self.attempt = None

    def wants(self, response: HttpResponseBase) -> bool:
        """Return whether ``response`` is to be recorded."""
        if self.attempt is None or (self.failed and self.unreadable):
            return False
        undone = self.failed or self.attempt.doomed
        # What was rolled back is final only where the answer says that it was refused.
        return self.policy.keeps(response) and (response.status_code >= 400 or not undone)

    def leave(self, response: HttpResponseBase) -> HttpResponseBase:
        """Record ``response`` with the view's writes, or undo them; return what to send."""
        if self.replay is not None:
            return response if self.failed else self.replay
        if self.attempt is None:
            return response
        try:
            return self._end(self.attempt, response)
        except IdempotencyError as error:  # another request under this key came in between
            return self._refuse(error)
        except BackendUnavailable as error:
            discard(response)
            return self._store_lost(error)
        except BaseException as error:
            discard(response)
            if (instead := self.lost(error)) is None:
                raise
            return instead
        finally:
            self.abandon()

    def _end(self, attempt: Attempt, response: HttpResponseBase) -> HttpResponseBase:
        if attempt.broken:
            raise self._unsupported("closes the database connection")
        if not self.wants(response):
            if attempt.doomed and response.status_code < 400:
                log.error("%s answered %s, and its writes are undone", self.view, response.status_code)
            if response.status_code < 500:
                attempt.told()
            return response
        if not self.body_read:
            self.body = body_of(response, self.policy.max_response_bytes)
        answer = to_answer(response, self.body, self.policy)
        refused = response.status_code >= 400  # a success whose writes are gone must not be told
        undone = self.failed or attempt.doomed or (refused and attempt.aborted)
        if undone:
            attempt.undo()
        first = self._finish_anew(answer) if undone and not attempt.outlives else attempt.finish(answer)
        if first is not None:
            assert self.claim is not None  # noqa: S101  (told to the type checker)
            discard(response)
            return self._again(checked(first, self.claim, self.request, self.policy))
        self.attempt = None
        self._tell(signals.request_finished, status=response.status_code)
        return response

    def _finish_anew(self, answer: Answer) -> Record | None:
        """Record ``answer`` by itself after the view's writes are undone, unless another try has come in between."""
        assert self.claim is not None  # noqa: S101  (told to the type checker)
        self.attempt = attempt = requests[self.policy.using].attempt()
        try:
            return attempt.claim(self.claim) or attempt.finish(answer)
        except (RequestInProgress, BackendUnavailable) as error:
            log.warning("%s: a refusal is not recorded: %s", self.view, error, extra=self._facts())
            return None

    def _tell(self, signal: Signal, **facts: Any) -> None:
        facts |= {"request": self.request, "digest": self.own.digest, "view": self.view, "took": self.took}
        signal.send_robust(sender=type(self), **facts)

    def _facts(self) -> dict[str, str]:
        return {"digest": str(self.own.digest), "view": self.view}
