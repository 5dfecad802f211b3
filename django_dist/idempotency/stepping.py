"""Run one durable step: decide whether to call, call, and write the result under the owner's condition."""

from collections.abc import Callable
from inspect import iscoroutine
from typing import Any, Final, NamedTuple

from asgiref.sync import async_to_sync, iscoroutinefunction, sync_to_async

from ..exceptions import BackendUnavailable, InvalidStep, LeaseLost, OutcomeHeld, StepUnknown
from .lease import LeaseAttempt
from .steps import RERUN

POLICIES: Final = ("rerun", "hold")
#: With these a call ends and nobody knows whether it took effect.
UNKNOWN: Final = (StepUnknown, TimeoutError)
#: The same, by the names of classes or bases in httpx, requests, urllib3, aiohttp, redis, botocore and stripe.
NO_ANSWER: Final = frozenset(
    {"TimeoutError", "Timeout", "TimeoutException", "ConnectionError", "NetworkError", "ProtocolError"}
    | {"ChunkedEncodingError", "IncompleteRead", "ClientConnectionError", "APIConnectionError"}
)


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

    def run_plain(self) -> Any:
        """Call the function; raises InvalidStep for a coroutine, of which nothing has run yet."""
        result = self.run()
        if iscoroutine(result):
            result.close()
            raise InvalidStep(f"step {self.name!r}: its function returned a coroutine; give astep() what makes it")
        return result


def check_call(call: StepCall, *, asynchronous: bool) -> None:
    """Raise InvalidStep for what is wrong with or without a key, so that it is seen before the first key comes."""
    if call.on_unknown not in POLICIES and not callable(call.on_unknown):
        raise InvalidStep(f"step {call.name!r}: on_unknown={call.on_unknown!r} is not 'rerun', 'hold' or a function")
    if iscoroutinefunction(call.function) and not asynchronous:
        raise InvalidStep(f"step {call.name!r}: its function is a coroutine function; await astep()")


def step(attempt: LeaseAttempt, call: StepCall) -> Any:
    """Return the result of ``call``, of this try or of an earlier one."""
    block = attempt.store.in_step()
    with attempt.stepping:
        if not _has_ended(attempt, call):
            returned = False
            try:
                with block:
                    result = call.run_plain()
                    returned = True
                    block.returned()
                    _end(attempt, call, result)
            except Exception as error:
                if not block.lasts:  # else an on_commit hook has raised
                    _fail(attempt, call, error, returned=returned)
                raise
        return attempt.steps.result(call.name)


async def astep(attempt: LeaseAttempt, call: StepCall) -> Any:
    """See step(). What a coroutine writes to the database lasts by itself, before its result is written."""
    if not iscoroutinefunction(call.function):
        return await sync_to_async(step)(attempt, call)
    if not await sync_to_async(_has_ended)(attempt, call):
        returned = False
        try:
            result = await call.run()
            returned = True
            await sync_to_async(_end)(attempt, call, result)
        except Exception as error:
            await sync_to_async(_fail)(attempt, call, error, returned=returned)
            raise
    return attempt.steps.result(call.name)


def _has_ended(attempt: LeaseAttempt, call: StepCall) -> bool:
    """Return whether there is a result; if not, it is written that the function is called now."""
    steps = attempt.steps
    steps.use(call.name)
    if steps.has_ended(call.name):
        attempt.keep()  # a late owner must not go on with what another may have undone since
        return True
    if steps.is_unknown(call.name):
        if _is_resolved(attempt, call):
            attempt.keep(steps=True)
            return True
        attempt.keep()
        return False
    steps.call(call.name)
    try:
        attempt.keep(steps=True)
    except Exception:
        steps.forget(call.name)  # it is not called
        raise
    return False


def _is_resolved(attempt: LeaseAttempt, call: StepCall) -> bool:
    """Return whether the outcome of an earlier call is known by now; raises OutcomeHeld where it has to wait."""
    if call.on_unknown == "rerun":
        return False
    if call.on_unknown == "hold":
        _hold(attempt, call, "an earlier try ended in it")
    resolve = async_to_sync(call.on_unknown) if iscoroutinefunction(call.on_unknown) else call.on_unknown
    try:
        result = resolve(call.key, *call.args, **call.kwargs)
    except UNKNOWN as error:
        _hold(attempt, call, f"the resolver does not know either: {error!r}")
    if result is RERUN:
        return False
    attempt.steps.end(call.name, result)
    return True


def _end(attempt: LeaseAttempt, call: StepCall, result: Any) -> None:
    attempt.steps.end(call.name, result)
    attempt.keep(steps=True)


def _fail(attempt: LeaseAttempt, call: StepCall, error: Exception, *, returned: bool) -> None:
    """Note what ``error`` makes of the step; a function that has returned took effect, whatever came then."""
    if isinstance(error, LeaseLost):
        return
    if attempt.steps.has_ended(call.name):  # returned, and the result could not be written
        attempt.steps.call(call.name)
        if isinstance(error, BackendUnavailable):
            attempt.lapse()  # or it was written: what stands must not be written over
    elif call.on_unknown == "rerun" or not (returned or got_no_answer(error)):
        attempt.steps.forget(call.name)
    elif call.on_unknown == "hold":
        _hold(attempt, call, f"it ended with {error!r}")


def got_no_answer(error: BaseException) -> bool:
    """Return whether a call that ended with ``error`` may have taken effect: it was sent, and nobody answered."""
    if isinstance(error, ConnectionRefusedError):
        return False
    return isinstance(error, UNKNOWN) or any(kind.__name__ in NO_ANSWER for kind in type(error).__mro__)


def _hold(attempt: LeaseAttempt, call: StepCall, why: str) -> None:
    attempt.hold(f"step {call.name!r}: {why}")
    raise OutcomeHeld(f"Nobody knows whether step {call.name!r} took effect; it is not called again by itself.")
