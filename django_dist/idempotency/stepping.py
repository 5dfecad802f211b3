"""Run one durable step: decide whether to call, call, and write the result under the owner's condition."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from asgiref.sync import iscoroutinefunction, sync_to_async

from ..exceptions import InvalidStep, LeaseLost, OutcomeHeld, StepUnknown
from .lease import LeaseAttempt
from .steps import RERUN

POLICIES: Final = ("rerun", "hold")
#: With these a call ends and nobody knows whether it took effect.
UNKNOWN: Final = (StepUnknown, TimeoutError)


class StepCall(NamedTuple):
    """A step as the view asks for it."""

    name: str
    key: str  # for the system that is called
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    on_unknown: Any

    def run(self) -> Any:
        """Call the function; an awaitable, if it is a coroutine function."""
        return self.function(self.key, *self.args, **self.kwargs)


def step(attempt: LeaseAttempt, call: StepCall) -> Any:
    """Return the result of ``call``, of this try or of an earlier one."""
    if _has_ended(attempt, call):
        return attempt.steps.result(call.name)
    try:
        with attempt.store.in_step():
            _end(attempt, call, call.run())
    except Exception as error:
        _fail(attempt, call, error)
        raise
    return attempt.steps.result(call.name)


async def astep(attempt: LeaseAttempt, call: StepCall) -> Any:
    """See step(). What a coroutine writes to the database lasts by itself, before its result is written."""
    if not iscoroutinefunction(call.function):
        return await sync_to_async(step)(attempt, call)
    if not await sync_to_async(_has_ended)(attempt, call):
        try:
            await sync_to_async(_end)(attempt, call, await call.run())
        except Exception as error:
            await sync_to_async(_fail)(attempt, call, error)
            raise
    return attempt.steps.result(call.name)


def _has_ended(attempt: LeaseAttempt, call: StepCall) -> bool:
    """Return whether there is a result; if not, it is written that the function is called now."""
    if call.on_unknown not in POLICIES and not callable(call.on_unknown):
        raise InvalidStep(f"step {call.name!r}: on_unknown={call.on_unknown!r} is not 'rerun', 'hold' or a function")
    steps = attempt.steps
    steps.use(call.name)
    if steps.has_ended(call.name):
        attempt.keep()  # a late owner must not go on with what another may have undone since
        return True
    if steps.is_unknown(call.name) and _is_resolved(attempt, call):
        attempt.keep(steps=True)
        return True
    steps.call(call.name)
    attempt.keep(steps=True)
    return False


def _is_resolved(attempt: LeaseAttempt, call: StepCall) -> bool:
    """Return whether the outcome of an earlier call is known by now; raises OutcomeHeld where it has to wait."""
    if call.on_unknown == "rerun":
        return False
    if call.on_unknown == "hold":
        _hold(attempt, call, "an earlier try ended in it")
    try:
        result = call.on_unknown(call.key, *call.args, **call.kwargs)
    except UNKNOWN as error:
        _hold(attempt, call, f"the resolver does not know either: {error!r}")
    if result is RERUN:
        return False
    attempt.steps.end(call.name, result)
    return True


def _end(attempt: LeaseAttempt, call: StepCall, result: Any) -> None:
    attempt.steps.end(call.name, result)
    attempt.keep(steps=True)


def _fail(attempt: LeaseAttempt, call: StepCall, error: Exception) -> None:
    if isinstance(error, LeaseLost):
        return
    if attempt.steps.has_ended(call.name):  # returned, and the result could not be written
        attempt.steps.call(call.name)
    elif not isinstance(error, UNKNOWN) or call.on_unknown == "rerun":
        attempt.steps.forget(call.name)
    elif call.on_unknown == "hold":
        _hold(attempt, call, f"it ended with {error!r}")


def _hold(attempt: LeaseAttempt, call: StepCall, why: str) -> None:
    attempt.hold(f"step {call.name!r}: {why}")
    raise OutcomeHeld(f"Nobody knows whether step {call.name!r} took effect; it is not called again by itself.")
