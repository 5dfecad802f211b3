"""Mode ``lease``: the claim is committed first and held by a lease, so effects may lie outside the database.

Waiting, steps and owners live here, once; a store does one round trip a method. Not safe where the
store forgets what it has acknowledged.
"""

import logging
import random
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from threading import RLock
from time import monotonic, sleep
from typing import ClassVar, Final, NamedTuple
from uuid import UUID, uuid4

from django.db import connections

from ..exceptions import BackendUnavailable, LeaseLost, RequestInProgress, UnsupportedView
from .base import Answer, Attempt, Claim, Record
from .renewer import renewer
from .step_block import StepBlock, may_be_undone
from .steps import Steps

log: Final = logging.getLogger("django_dist.idempotency")
FIRST_PAUSE_S: Final = 0.01
LONGEST_PAUSE_S: Final = 0.1
LEAVE_IT_OUT: Final = (
    "which could undo it: leave the atomic block out, and where ATOMIC_REQUESTS is on, mark the view with "
    "transaction.non_atomic_requests"
)


class Standing(NamedTuple):
    """What a store holds of a digest."""

    owner: UUID | None  # None: free to be taken, held, or finished
    finished: bool
    held: bool
    record: Record
    steps: str | None
    left: float  # seconds that the lease has left, by the store's clock


class LeaseStore(ABC):
    """What a store does for mode ``lease``, each in one go. All but take() under the owner's condition.

    Every method raises BackendUnavailable where the store does not answer; from finish() its
    ``committing`` says that the answer may be recorded.
    """

    alias: str

    @abstractmethod
    def take(self, claim: Claim, owner: UUID) -> Standing:
        """Make ``owner`` the owner if the digest is new, expired, or the same request and free; return what stands."""

    @abstractmethod
    def keep(self, claim: Claim, owner: UUID, steps: str | None) -> bool:
        """Write ``steps``, unless None, and begin the lease anew; return whether ``owner`` still owned it."""

    @abstractmethod
    def finish(self, claim: Claim, owner: UUID, answer: Answer) -> bool:
        """Record ``answer``; return whether ``owner`` still owned the digest."""

    @abstractmethod
    def look(self, digest: UUID) -> Standing | None:
        """Return what stands."""

    @abstractmethod
    def release(self, claim: Claim, owner: UUID, steps: str | None) -> None:
        """Let the next try have the digest at once; keep ``steps`` for it, or with None forget the request."""

    @abstractmethod
    def hold(self, claim: Claim, owner: UUID, steps: str, why: str) -> bool:
        """Keep the digest from everybody until an operator decides; return whether ``owner`` still owned it."""

    @abstractmethod
    def renew(self, owners: dict[UUID, UUID], lease: float) -> None:
        """Begin the leases of ``owners``, by digest, anew; what another has taken is left alone."""

    def in_step(self) -> StepBlock:
        """Return the block in which a step runs and its result is written: both last, or neither."""
        self.refuse_block("a step")
        return StepBlock()

    def refuse_block(self, what: str) -> None:
        """Raise UnsupportedView inside a transaction: it could undo writes whose record stays, or the record."""
        for connection in connections.all(initialized_only=True):
            if may_be_undone(connection):
                raise UnsupportedView(f"{what} stands in a transaction of {connection.alias!r}, {LEAVE_IT_OUT}")


class LeaseAttempt(Attempt):
    """A try that owns its digest by a lease, renewed until it ends or ``max_run`` seconds are over."""

    outlives: ClassVar[bool] = True

    def __init__(self, store: LeaseStore, max_run: float) -> None:
        self.store, self.max_run = store, max_run
        self.owner = uuid4()
        self.claimed: Claim | None = None  # until the try has ended
        self.steps = Steps()
        self.stepping = RLock()  # a view may have threads of its own: one step at a time

    def claim(self, claim: Claim) -> Record | None:
        """See Attempt.claim(); a request whose lease has run out is taken over, also by one that waits."""
        self.store.refuse_block(f"{claim.view} with mode='lease'")
        for pause in _pauses(claim.wait):
            standing = self.store.take(claim, self.owner)
            if standing.owner == self.owner:
                self.begin(claim, standing.steps)
                return None
            # What is finished or held answers, and another request under the key need not wait to be refused.
            if standing.finished or standing.held or standing.record.fingerprint != claim.fingerprint:
                return standing.record
            sleep(min(pause, max(standing.left, FIRST_PAUSE_S)))
        raise RequestInProgress("the first request with this key still runs", retry_after=1)

    def begin(self, claim: Claim, steps: str | None) -> None:
        """Go on from ``steps``, with a digest that the store says is this try's own."""
        self.claimed, self.steps, self._digest = claim, Steps.read(steps), claim.digest
        renewer.add(self.store, claim, self.owner, self.max_run)

    @property
    def digest(self) -> UUID:
        """The digest that this try has claimed."""
        return self._digest

    def keep(self, *, steps: bool = False) -> None:
        """Begin the lease anew, and write the steps; raises LeaseLost, and then nothing is written."""
        if self.claimed is None:
            raise LeaseLost("This try has ended.", retry_after=1)
        if not self.store.keep(self.claimed, self.owner, self.steps.text() if steps else None):
            raise LeaseLost("The lease ran out and another try took over.", retry_after=1)

    def last_writes(self) -> AbstractContextManager[None]:
        """Open the block that is committed with the answer."""
        raise UnsupportedView(
            f"finishing() needs a store in a database; DIST_IDEMPOTENCY[{self.store.alias!r}] is none"
        )

    @property
    def doomed(self) -> bool:
        """See Attempt.doomed."""
        return False

    @property
    def broken(self) -> bool:
        """See Attempt.broken; the claim hangs on no connection."""
        return False

    def finish(self, answer: Answer) -> Record | None:
        """See Attempt.finish(); what another try that took over has recorded is the answer of this one, too."""
        if self.claimed is not None:
            written = self.write(self.claimed, answer)
            self._end()
            if written:
                return None
        standing = self.store.look(self.digest)
        if standing is None or not (standing.finished or standing.held):
            raise LeaseLost("The lease ran out and another try took over.", retry_after=1)
        return standing.record

    def write(self, claim: Claim, answer: Answer) -> bool:
        """Record ``answer``; return whether this try still owned the digest."""
        return self.store.finish(claim, self.owner, answer)

    def _end(self) -> Claim:
        claim, self.claimed = self.claimed, None
        assert claim is not None  # noqa: S101  (told to the type checker)
        renewer.remove(self.owner)
        return claim

    def undo(self) -> None:
        """See Attempt.undo(); steps that have ended stay."""

    def told(self) -> None:
        """See Attempt.told(); nobody but the client runs it again."""
        if self.claimed is not None:
            self.claimed = self.claimed._replace(kept=None)

    def abandon(self) -> None:
        """See Attempt.abandon(). Without steps nothing of the request is left; what is kept is for the next try.

        Where the store does not answer, the request is free when its lease has run out.
        """
        self.undo()
        if self.claimed is not None:
            claim = self._end()
            try:
                self.store.release(claim, self.owner, self.steps.text() if self.steps or claim.kept else None)
            except BackendUnavailable as error:
                log.warning("%s is not let go, its lease has to run out: %s", claim.view, error)

    def lapse(self) -> None:
        """End this try, and leave what stands to the next one, when the lease has run out: nobody knows what stands."""
        if self.claimed is not None:
            self._end()

    def hold(self, why: str) -> None:
        """End this try and keep the request for an operator; raises LeaseLost."""
        self.undo()
        claim = self._end()
        if not self.store.hold(claim, self.owner, self.steps.text(), why):
            raise LeaseLost("The lease ran out and another try took over.", retry_after=1)


def _pauses(wait: float) -> Iterator[float]:
    """Yield seconds to sleep after each try: the last try is made when ``wait`` seconds are over."""
    deadline, pause = monotonic() + wait, FIRST_PAUSE_S
    while (left := deadline - monotonic()) > 0:
        yield min(left, pause * random.uniform(0.5, 1.0))  # noqa: S311  (no secret)
        pause = min(2 * pause, LONGEST_PAUSE_S)
    yield 0.0
