"""The outermost middleware: it notes what arrives, and may die when all is done but the answer."""

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.utils.decorators import sync_and_async_middleware

from .notes import note
from .watch import die


def _arrived(request: HttpRequest) -> None:
    if "Order" in request.headers:
        note("arrived", request.headers["Order"])


@sync_and_async_middleware
def Outermost(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:  # noqa: N802
    """Stand around everything."""
    if iscoroutinefunction(get_response):

        async def aouter(request: HttpRequest) -> Any:
            _arrived(request)
            response = await get_response(request)
            die(request, "answer")
            return response

        return aouter

    def outer(request: HttpRequest) -> Any:
        _arrived(request)
        response = get_response(request)
        die(request, "answer")
        return response

    return outer
