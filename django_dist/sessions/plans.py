"""What a session does on its store, written once and driven two ways: by calls, and by coroutines."""

from collections.abc import Generator
from typing import Any, Generic, TypeVar

from ..exceptions import SessionError
from .place import SessionPlace

Result = TypeVar("Result")
#: Yields the name of a method of the place with its arguments, is sent what that returned, and returns its own result.
Plan = Generator[tuple[Any, ...], Any, Result]


def run(place: SessionPlace, plan: Plan[Result]) -> Result:
    """Drive ``plan`` on ``place`` to its end, and return its result."""
    course = _Course(plan)
    while (step := course.next()) is not None:
        name, *arguments = step
        try:
            course.answer = getattr(place, name)(*arguments)
        except SessionError as error:
            course.failure = error
    return course.result


async def arun(place: SessionPlace, plan: Plan[Result]) -> Result:
    """See run(): by the coroutines of ``place``."""
    course = _Course(plan)
    while (step := course.next()) is not None:
        name, *arguments = step
        try:
            course.answer = await getattr(place, f"a{name}")(*arguments)
        except SessionError as error:
            course.failure = error
    return course.result


class _Course(Generic[Result]):
    """How far a plan has come: what it was answered last, and its result once there is no next step."""

    result: Result

    def __init__(self, plan: Plan[Result]) -> None:
        self._plan = plan
        self.answer: Any = None
        self.failure: Exception | None = None

    def next(self) -> tuple[Any, ...] | None:
        answer, failure, self.answer, self.failure = self.answer, self.failure, None, None
        try:
            return self._plan.send(answer) if failure is None else self._plan.throw(failure)
        except StopIteration as end:
            self.result = end.value
            return None
