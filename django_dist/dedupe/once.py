"""Run a handler once for each key: its claim, its writes and what it returned commit together."""

import inspect
import json
from collections.abc import Callable
from functools import partial, wraps
from typing import Any, NamedTuple, TypeVar, cast
from uuid import UUID

from asgiref.sync import iscoroutinefunction
from django.db import connections, router, transaction

from ..exceptions import HandlerUndone, InvalidResult
from ..idempotency.marks import name_of
from ..idempotency.sql import plan_for
from ..models import DedupeEntry
from .claims import check_bounds, claim, digest_for
from .coroutine import run

Handler = TypeVar("Handler", bound=Callable[..., Any])
KeyFunction = Callable[..., str | bytes | int | UUID]


class Kept(NamedTuple):
    """What an earlier call has left; its result is None unless it was kept."""

    result: Any


class Once(NamedTuple):
    """What ``@once`` was told of a handler."""

    name: str
    scope: str
    ttl: float | None
    using: str | None
    keep_result: bool

    @property
    def database(self) -> str:
        """The alias of the database of claim and effects."""
        return self.using or router.db_for_write(DedupeEntry)

    def earlier(self, key: Any) -> Kept | None:
        """Claim ``key`` and return None, and the handler is to run; or what an earlier call has left."""
        while not claim(self.scope, key, ttl=self.ttl, using=self.database):
            if not self.keep_result:
                return Kept(None)
            entries = DedupeEntry.objects.using(self.database).filter(pk=digest_for(self.scope, key))
            if connections[self.database].vendor == "mysql":
                entries = entries.select_for_update()  # reads the row as it is, whatever this transaction saw before
            for result in entries.values_list("result", flat=True):
                return Kept(None if result is None else json.loads(result))
            # It was purged just now, so it is free.
        return None

    def finish(self, key: Any, result: Any) -> Any:
        """Return ``result`` as a repeat will get it; raises HandlerUndone where the handler left nothing to commit."""
        if inspect.isawaitable(result) or inspect.isgenerator(result) or inspect.isasyncgen(result):
            raise HandlerUndone(
                f"{self.name} returned a {type(result).__name__}, which would run after its transaction: decorate the "
                "coroutine function itself, or let the handler run to its end"
            )
        connection = connections[self.database]
        if connection.closed_in_transaction or connection.needs_rollback or plan_for(connection).is_aborted(connection):
            raise HandlerUndone(
                f"{self.name} returned although its transaction will be rolled back: let the error of the database "
                "leave it, or catch it around an atomic() of its own; and leave the connection open"
            )
        if not self.keep_result:
            return result
        try:
            text = json.dumps(result, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InvalidResult(f"{self.name} must return JSON, for a repeat to get the same: {error}") from error
        DedupeEntry.objects.using(self.database).filter(pk=digest_for(self.scope, key)).update(result=text)
        return json.loads(text)


def once(
    scope: str, *, key: KeyFunction, ttl: float | None = None, using: str | None = None, keep_result: bool = False
) -> Callable[[Handler], Handler]:
    """Let a handler take effect once for each key, for functions and coroutine functions.

    ``key`` is called with the handler's arguments. Claim and handler run in one transaction; an exception that leaves
    the handler rolls both back, so the next call runs. A repeat does not run and returns None or, with
    ``keep_result``, what the first returned, as JSON gives it back. A repeat that comes while the first runs waits
    for its end. For ``scope``, ``ttl`` and ``using`` see claim().

    Raises HandlerUndone where the handler returned and its transaction will not commit, and InvalidResult
    for a result to be kept that is no JSON; both roll back. A coroutine under asyncio.run() gets a
    thread and a connection for its transaction; elsewhere it uses those of its request or caller.
    """
    check_bounds(scope, ttl)
    if not callable(key):
        raise TypeError(f"key must be a function of the handler's arguments, not {key!r}")

    def decorate(handler: Handler) -> Handler:
        name, called = name_of(handler), _function_of(handler)
        if inspect.isgeneratorfunction(called) or inspect.isasyncgenfunction(called):
            raise TypeError(f"{name} is a generator: it would run after its transaction")
        told = Once(name, scope, ttl, using, keep_result)
        if iscoroutinefunction(called):

            @wraps(handler)
            async def acall(*args: Any, **kwargs: Any) -> Any:
                return await run(told, key(*args, **kwargs), lambda: handler(*args, **kwargs))

            return cast(Handler, acall)

        @wraps(handler)
        def call(*args: Any, **kwargs: Any) -> Any:
            claimed = key(*args, **kwargs)
            with transaction.atomic(using=told.database):
                earlier = told.earlier(claimed)
                return told.finish(claimed, handler(*args, **kwargs)) if earlier is None else earlier.result

        return cast(Handler, call)

    return decorate


def _function_of(handler: Any) -> Any:
    """Return what runs where ``handler`` is called: of an object, the method that calls it."""
    return handler if inspect.isroutine(handler) or isinstance(handler, partial) else type(handler).__call__
