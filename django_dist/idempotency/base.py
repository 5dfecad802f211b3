"""What a store of requests does, and the words it does it in. Waiting, policy and HTTP stand elsewhere."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple
from uuid import UUID


class Claim(NamedTuple):
    """What a request asks of the store: to be the one that runs under ``digest``."""

    digest: UUID
    fingerprint: UUID
    binding: UUID | None  # a keyed digest of the credentials where nobody is known
    scope: str
    view: str
    ttl: float  # seconds that the record lives, by the store's clock
    wait: float  # seconds to wait while another request with this digest runs
    lease: float = 0.0  # seconds that the digest is held without a word of its holder; 0 in mode "atomic"
    kept: bytes | None = None  # the request itself, to be run again without its client


class Answer(NamedTuple):
    """A recorded answer; ``body`` None is a tombstone: it took effect, and its body was not kept."""

    status: int
    reason: str
    headers: list[list[str]]
    body: bytes | None


class Record(NamedTuple):
    """What the store holds of a finished request."""

    fingerprint: UUID
    binding: UUID | None
    answer: Answer | None  # None: held, or at work


class Attempt(ABC):
    """One try at one request, from its claim to its end, on one thread."""

    #: Whether the claim outlives undo(), so that a refusal may still be recorded under it.
    outlives: ClassVar[bool] = False

    def enclose(self, view: Callable[..., Any]) -> None:
        """Open now what must stand around all of ``view``, even where nothing is claimed in it."""

    @abstractmethod
    def claim(self, claim: Claim) -> Record | None:
        """Return None, and the view is to run; or the record of an earlier try.

        Raises RequestInProgress when another try held the digest for all of ``claim.wait`` seconds,
        and BackendUnavailable when the store did not answer; then nothing is claimed.
        """

    @property
    @abstractmethod
    def doomed(self) -> bool:
        """Whether what the view wrote will be rolled back, whatever comes."""

    @property
    def aborted(self) -> bool:
        """Whether the store refuses all more of this try, for an error that the view swallowed."""
        return False

    @property
    @abstractmethod
    def broken(self) -> bool:
        """Whether the view closed the connection that carries the claim."""

    def lost(self, error: BaseException) -> bool:
        """Whether ``error``, which the view raised, is the loss of the connection that carries the claim."""
        return False

    @abstractmethod
    def finish(self, answer: Answer) -> Record | None:
        """Record ``answer`` and make the view's writes last, both or neither.

        Return None, or the record of another try that was first; then nothing of this one is left.
        Raises BackendUnavailable; its ``committing`` says that the outcome is unknown.
        """

    @abstractmethod
    def abandon(self) -> None:
        """Undo the view's writes and free the digest; do nothing when the try has ended."""

    def undo(self) -> None:
        """Undo the view's writes as far as this try can; it may end with that, see ``outlives``."""
        self.abandon()

    def told(self) -> None:
        """Note that the client has an answer that is not recorded: whether it asks again is for it to decide."""

    def leave(self) -> None:
        """End what enclose() opened around a view that claimed nothing; its writes last."""


class RequestBackend(ABC):
    """A store of requests; thread-safe, built once a process."""

    modes: ClassVar[frozenset[str]]
    per_process: bool = False  # whether another process has records of its own
    purges_itself: ClassVar[bool] = False  # whether what expires is gone without purge()
    #: Dotted name of what asks such a store how it is, for dist_doctor: called with a Report, the store, its policies.
    diagnosis: ClassVar[str] = ""

    def __init__(self, *, alias: str) -> None:
        self.alias = alias

    @abstractmethod
    def attempt(self, mode: str = "atomic", max_run: float = 600.0) -> Attempt:
        """Return a new try in ``mode``; the store is not asked yet. A lease is renewed for ``max_run`` seconds."""

    def encloses(self, view: Callable[..., Any]) -> bool:
        """Return whether Django would open a transaction for ``view`` that a try must stand around."""
        return False

    def shares(self, attempt: Attempt) -> bool:
        """Return whether ``attempt``, of any store, would serve for this one, too: one transaction of one database."""
        return False

    def purge(self, batch: int) -> int:
        """Delete up to ``batch`` expired records and return how many; 0 where the store does it itself."""
        return 0

    def expired(self) -> int:
        """Return how many expired records wait to be purged."""
        return 0
