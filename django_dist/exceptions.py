"""Every error of django_dist; each says by ``retryable`` whether the same call may succeed later.

DistError
|-- InvalidBackend          also ImproperlyConfigured
|-- UnsupportedView         also ImproperlyConfigured
|-- BackendUnavailable      the outcome is unknown
|-- InvalidStep             also ValueError
|-- OutsideAtomic           also TransactionManagementError
|-- HandlerUndone           also TransactionManagementError
|-- InvalidResult           also ValueError
|-- StepUnknown             raised by a step of yours
|-- NotResumable            a kept request cannot be run again
|-- ConflictError           model, pk; also a DatabaseError
|   |-- StaleVersion        expected, actual, gone
|   `-- GuardFailed         short
|-- LockError               name
|   |-- LockTimeout         also TimeoutError
|   |-- LockLost
|   `-- LocksTable          also ValueError
|-- SessionError
|   |-- SessionConflict         keys
|   |-- SessionLimitReached     limit; also PermissionDenied
|   `-- SessionStoreUnavailable
|-- PreconditionFailed      412 over HTTP
|-- PreconditionRequired    428 over HTTP
`-- IdempotencyError        status, type, title, detail, retry_after
    |-- KeyMissing 400, KeyMalformed 400, RequestInProgress 409, AnswerNotKept 409
    |-- LeaseLost 409, OutcomeHeld 409
    |-- KeyReused 422
    |   `-- CredentialsDiffer 422
    `-- StoreUnavailable 503
        `-- OutcomeUnknown 503
"""

from typing import TYPE_CHECKING, Any, ClassVar, Final

from django.core.exceptions import ImproperlyConfigured, PermissionDenied
from django.db import DatabaseError
from django.db.transaction import TransactionManagementError

if TYPE_CHECKING:
    from .concurrency.short import Short

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
    """A step cannot be: its name was used before in this request, its result is no JSON, its function a coroutine's."""


class StepUnknown(DistError):
    """To be raised by the function of a step that cannot tell whether its call took effect."""


class NotResumable(DistError):
    """What was kept of a request cannot be run again; the message says why, for an operator."""


class ConflictError(DistError, DatabaseError):
    """The row is not as the write supposed it; nothing was written."""

    def __init__(self, message: str, *, model: type[Any], pk: Any) -> None:
        super().__init__(message)
        self.model = model
        self.pk = pk  # a list of them where several rows were to be written


class StaleVersion(ConflictError):
    """The row was changed or deleted since it was read; read it again and repeat the whole change."""

    retryable = True

    def __init__(
        self, message: str, *, model: type[Any], pk: Any, expected: Any, actual: Any = None, gone: bool = False
    ) -> None:
        super().__init__(message, model=model, pk=pk)
        self.expected = expected
        self.actual = actual  # None where the row is gone, or the database did not let it be read
        self.gone = gone


class GuardFailed(ConflictError):
    """An amount would have left its limits; ``short`` names every row that would, and what it has."""

    def __init__(self, message: str, *, model: type[Any], pk: Any, short: "tuple[Short, ...]") -> None:
        super().__init__(message, model=model, pk=pk)
        self.short = short


class LockError(DistError):
    """A lock is not held as it was asked; ``name`` is the lock's."""

    def __init__(self, message: str, *, name: str) -> None:
        super().__init__(message)
        self.name = name


class LockTimeout(LockError, TimeoutError):
    """The lock stayed with another holder for the whole wait."""

    retryable = True


class LocksTable(LockError, ValueError):
    """A filter that no index serves: to lock its rows, the database would lock all of the table."""


class LockLost(LockError):
    """The lock was lost while its block ran: another may have been in there, too."""


class SessionError(DistError):
    """A session cannot be had or kept as it was asked."""


class SessionConflict(SessionError):
    """Another request changed the same ``keys`` meanwhile, and the session is strict; nothing was saved."""

    retryable = True

    def __init__(self, message: str, *, keys: list[str]) -> None:
        super().__init__(message)
        self.keys = keys


class CookieTooLarge(SessionError):
    """The session's cookie would be longer than its limit; the browser keeps the one that it has.

    ``largest`` names the three keys that take the most, each with its bytes.
    """

    def __init__(self, message: str, *, size_bytes: int, limit_bytes: int, largest: list[tuple[str, int]]) -> None:
        super().__init__(message)
        self.size_bytes, self.limit_bytes, self.largest = size_bytes, limit_bytes, largest


class SessionLimitReached(SessionError, PermissionDenied):
    """The user has ``limit`` sessions already and on_max="refuse" is set; the login was undone."""

    def __init__(self, message: str, *, limit: int) -> None:
        super().__init__(message)
        self.limit = limit


class SessionStoreUnavailable(SessionError):
    """The store of sessions did not answer: whether there is a session is not known."""

    retryable = True


class PreconditionFailed(DistError):
    """If-Match names no version that the row has now; read it again."""


class PreconditionRequired(DistError):
    """The view changes a version that the client has read, and the request has no If-Match."""


class OutsideAtomic(DistError, TransactionManagementError):
    """No transaction of the caller's: a claim would lose its message in a crash, rows would not be locked."""


class HandlerUndone(DistError, TransactionManagementError):
    """A handler returned although its transaction cannot commit: its claim and effects were rolled back."""


class InvalidResult(DistError, ValueError):
    """A handler whose result is to be kept returned what is no JSON; its claim and effects were rolled back."""


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
