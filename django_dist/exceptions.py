"""Every error of django_dist; each says by ``retryable`` whether the same call may succeed later.

DistError
|-- InvalidBackend          also ImproperlyConfigured
|-- UnsupportedView         also ImproperlyConfigured
|-- BackendUnavailable      the outcome is unknown
|-- InvalidStep             also ValueError
|-- StepUnknown             raised by a step of yours
`-- IdempotencyError        status, type, title, detail, retry_after
    |-- KeyMissing 400, KeyMalformed 400, RequestInProgress 409, AnswerNotKept 409
    |-- LeaseLost 409, OutcomeHeld 409
    |-- KeyReused 422
    |   `-- CredentialsDiffer 422
    `-- StoreUnavailable 503
        `-- OutcomeUnknown 503
"""

from typing import ClassVar, Final

from django.core.exceptions import ImproperlyConfigured

PROBLEM: Final = "urn:django-dist:problem:"


class DistError(Exception):
    """Any error of django_dist."""

    retryable: ClassVar[bool] = False


class InvalidBackend(DistError, ImproperlyConfigured):
    """A setting names a backend or option that is not there; the message names the mend."""


class UnsupportedView(DistError, ImproperlyConfigured):
    """A view does what its mode cannot guard; its effects were rolled back, nothing is recorded."""


class BackendUnavailable(DistError):
    """The store did not answer; the outcome is unknown when ``committing``, else nothing was done."""

    retryable = True

    def __init__(self, message: str, *, committing: bool = False) -> None:
        super().__init__(message)
        self.committing = committing


class InvalidStep(DistError, ValueError):
    """A step's name was used before in this request, or its result is no JSON."""


class StepUnknown(DistError):
    """To be raised by the function of a step that cannot tell whether its call took effect."""


class IdempotencyError(DistError):
    """A request that is refused; ``status`` and ``type`` are what the client sees (RFC 9457)."""

    status: ClassVar[int]
    type: ClassVar[str]
    title: ClassVar[str]

    def __init__(self, detail: str, *, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.retry_after = retry_after  # seconds


class KeyMissing(IdempotencyError):
    """The view requires a key and the request has none."""

    status, type, title = 400, PROBLEM + "key-missing", "Idempotency key missing"


class KeyMalformed(IdempotencyError):
    """The key has another form than ``key_format`` asks for, or there are several."""

    status, type, title = 400, PROBLEM + "key-malformed", "Idempotency key malformed"


class KeyReused(IdempotencyError):
    """The key was used for another request: other method, host, path, query or body."""

    status, type, title = 422, PROBLEM + "key-reused", "Idempotency key reused for another request"


class CredentialsDiffer(KeyReused):
    """The key was used by somebody with other credentials, and no user is known."""

    type, title = PROBLEM + "credentials-differ", "Idempotency key bound to other credentials"


class RequestInProgress(IdempotencyError):
    """The first request with this key still runs; repeat after ``retry_after`` seconds."""

    status, type, title = 409, PROBLEM + "in-progress", "Request still in progress"
    retryable = True


class AnswerNotKept(IdempotencyError):
    """The request took effect, and its answer was too long to keep; it does not run again."""

    status, type, title = 409, PROBLEM + "answer-not-kept", "Request finished, answer not kept"


class LeaseLost(IdempotencyError):
    """The lease of this try ran out and another try took over: what it does from here on would be done twice."""

    status, type, title = 409, PROBLEM + "lease-lost", "Request taken over by another try"
    retryable = True


class OutcomeHeld(IdempotencyError):
    """A step was called and its outcome is not known: an operator decides."""

    status, type, title = 409, PROBLEM + "outcome-held", "Request held, outcome unknown"


class StoreUnavailable(IdempotencyError):
    """The store of the records does not answer; repeat after ``retry_after`` seconds."""

    status, type, title = 503, PROBLEM + "store-unavailable", "Idempotency store unavailable"
    retryable = True


class OutcomeUnknown(StoreUnavailable):
    """The store was lost during COMMIT: the repeat finds out whether the request took effect."""

    type, title = PROBLEM + "outcome-unknown", "Outcome unknown"
