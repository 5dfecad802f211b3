"""What a request carries of its own idempotency: a face for the view, and what guards it."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4, uuid5

from asgiref.sync import iscoroutinefunction, sync_to_async

from ..exceptions import UnsupportedView
from .base import Attempt
from .lease import LeaseAttempt
from .policy import PolicySource
from .stepping import StepCall, astep, check_call, step

if TYPE_CHECKING:
    from .guard import Guard

RESUMED: Final = "idempotency_resumed"  # on a request that dist_complete has made: its LeaseAttempt


class Idempotency:
    """What a view sees as ``request.idempotency``.

    ``key`` is the key's identity and ``digest`` names the record; both are None without a key. The
    other attributes belong to the middleware and the decorators.
    """

    def __init__(self) -> None:
        self.key: str | None = None
        self.digest: UUID | None = None
        self.carries_key = self.failed = False
        self.guard: Guard | None = None
        self.pending: PolicySource | None = None  # guards a handler further in
        self.enclosed: dict[str, Attempt] = {}  # opened before Django's own transaction, by store alias
        self.attempt: Attempt | None = None  # while the view runs under a claim
        self.resumed: LeaseAttempt | None = None  # the claim that dist_complete brings along, until a guard has it

    def resume(self, attempt: LeaseAttempt) -> None:
        """Let the view go on from ``attempt``: its steps do so even where no guard stands around them any more."""
        self.resumed = self.attempt = attempt
        self.digest = attempt.digest

    def derive(self, name: str) -> UUID:
        """Return the key for a call that the view makes, such as ``derive("charge")``.

        It is the same for every try of this request and another for every other request; without
        a key, for this one request alone. Source: RFC 9562, section 5.5 (UUID version 5).
        """
        return uuid5(self.digest or self._seed, name)

    @cached_property
    def _seed(self) -> UUID:
        return uuid4()

    def step(
        self, name: str, function: Callable[..., Any], /, *args: Any, on_unknown: Any = "rerun", **kwargs: Any
    ) -> Any:
        """Return what ``function(key, *args, **kwargs)`` returned, in this try or an earlier one.

        For mode ``lease``: the result, which must be JSON, is committed before step() returns, and a
        retry gets it without a call. ``key`` is derive(name), for the system that is called. A step
        that raised is called again. Where an earlier try was lost between the call and its result,
        the function got no answer (a time-out, a lost connection, StepUnknown), or returned what is
        no JSON, ``on_unknown`` decides: "rerun" calls again under the same key, "hold" answers 409
        until an operator decides, and a function is called as ``function`` is, and returns the
        result, or RERUN.

        Raises LeaseLost when another try has taken over, OutcomeHeld, and InvalidStep for a name
        used before, a result that is no JSON, and a coroutine function (astep).
        Source: B. Leach, "Implementing Stripe-like idempotency keys" (2017), on recovery points.
        """
        call = StepCall(name, str(self.derive(name)), function, args, kwargs, on_unknown)
        check_call(call, asynchronous=False)
        leased = self._leased(f"step {name!r}")
        return call.run_plain() if leased is None else step(leased, call)

    async def astep(
        self, name: str, function: Callable[..., Any], /, *args: Any, on_unknown: Any = "rerun", **kwargs: Any
    ) -> Any:
        """See step(); for a function or a coroutine function."""
        call = StepCall(name, str(self.derive(name)), function, args, kwargs, on_unknown)
        check_call(call, asynchronous=True)
        leased = self._leased(f"step {name!r}")
        if leased is not None:
            return await astep(leased, call)
        return await call.run() if iscoroutinefunction(function) else await sync_to_async(call.run_plain)()

    def check(self) -> None:
        """Begin the lease anew; raises LeaseLost when another try has taken over. Without a lease it does nothing."""
        if isinstance(self.attempt, LeaseAttempt):
            self.attempt.keep()

    async def acheck(self) -> None:
        """See check()."""
        await sync_to_async(self.check)()

    def finishing(self) -> AbstractContextManager[None]:
        """Return the block of the view's last writes: they are committed with the answer, or not at all.

        The transaction stays open from here to the end of the view; what an exception leaves, or a
        late owner has written in it, is rolled back. Steps come before it.
        """
        leased = self._leased("finishing()")
        return nullcontext() if leased is None else leased.last_writes()

    def _leased(self, what: str) -> LeaseAttempt | None:
        """Return the try that holds the lease; None where the request is not guarded."""
        if self.attempt is None or isinstance(self.attempt, LeaseAttempt):
            return self.attempt
        raise UnsupportedView(f"{what} needs mode='lease': in mode 'atomic' nothing is committed before the answer")
