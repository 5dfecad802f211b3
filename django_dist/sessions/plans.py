"""What a session does on its store, written once and driven two ways: by calls, and by coroutines."""

from collections.abc import Generator
from typing import Any, TypeVar

from ..exceptions import SessionError
from .place import SessionPlace

Result = TypeVar("Result")
#: Yields the name of a method of the place with its arguments, is sent what that returned, and returns its own result.
Plan = Generator[tuple[Any, ...], Any, Result]


def run(place: SessionPlace, plan: Plan[Result]) -> Result:
    """Drive ``plan`` on ``place`` to its end, and return its result."""
    try:
        name, *arguments = next(plan)
        while True:
            try:
                answer = getattr(place, name)(*arguments)
            except SessionError as error:
                name, *arguments = plan.throw(error)
            else:
                name, *arguments = plan.send(answer)
    except StopIteration as end:
        result: Result = end.value
        return result


async def arun(place: SessionPlace, plan: Plan[Result]) -> Result:
    """See run(): by the coroutines of ``place``."""
    try:
        name, *arguments = next(plan)
        while True:
            try:
                answer = await getattr(place, f"a{name}")(*arguments)
            except SessionError as error:
                name, *arguments = plan.throw(error)
            else:
                name, *arguments = plan.send(answer)
    except StopIteration as end:
        result: Result = end.value
        return result
