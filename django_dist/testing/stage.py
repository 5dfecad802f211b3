"""Where the suites play: a table for effects, views that do what a test says, and a visitor named by a header."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeAlias

from asgiref.sync import iscoroutinefunction, sync_to_async
from django.apps.registry import Apps
from django.db import models
from django.http import HttpRequest, HttpResponseBase
from django.urls import path
from django.utils.decorators import sync_and_async_middleware

from ..idempotency import idempotency_exempt, idempotent

View: TypeAlias = Callable[[HttpRequest], Any]

#: What the paths below run, by the name in the path; a test puts its functions here.
VIEWS: Final[dict[str, View]] = {}
#: Apart from the project's own models, so that no migration and no flush knows of these.
APART: Final = Apps()


class Effect(models.Model):
    """What a view has done."""

    objects: models.Manager["Effect"] = models.Manager()
    what = models.CharField(max_length=100)
    reference = models.CharField(max_length=100, null=True, unique=True)

    class Meta:
        app_label = "django_dist"
        apps = APART
        db_table = "django_dist_testing_effect"


class Detail(models.Model):
    """A row with a foreign key, which SQLite and PostgreSQL check at COMMIT."""

    objects: models.Manager["Detail"] = models.Manager()
    effect = models.ForeignKey(Effect, on_delete=models.CASCADE)

    class Meta:
        app_label = "django_dist"
        apps = APART
        db_table = "django_dist_testing_detail"


class Visitor:
    """A user that is known, without a table of users."""

    is_authenticated = True

    def __init__(self, pk: str) -> None:
        self.pk = pk


@sync_and_async_middleware
def visitor_middleware(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Let the header X-Visitor say who asks, in the place of AuthenticationMiddleware."""

    def welcome(request: HttpRequest) -> HttpRequest:
        name = request.headers.get("X-Visitor")
        request.user = None if name is None else Visitor(name)  # type: ignore[assignment]
        return request

    if iscoroutinefunction(get_response):

        async def amiddleware(request: HttpRequest) -> HttpResponseBase:
            answer: Awaitable[HttpResponseBase] = get_response(welcome(request))
            return await answer

        return amiddleware
    return lambda request: get_response(welcome(request))


def run(request: HttpRequest, name: str, rest: str = "") -> Any:
    """Run the view of a test."""
    return VIEWS[name](request)


async def arun(request: HttpRequest, name: str, rest: str = "") -> Any:
    """Run the view of a test from the event loop: there if it can, else on its thread."""
    view = VIEWS[name]
    return await view(request) if iscoroutinefunction(view) else await sync_to_async(view)(request)


async def arun_exempt(request: HttpRequest, name: str, rest: str = "") -> Any:
    """See arun(); for a view of its own to be marked."""
    return await arun(request, name, rest)


def run_exempt(request: HttpRequest, name: str, rest: str = "") -> Any:
    """See run(); for a view of its own to be marked."""
    return run(request, name, rest)


PLACES: Final[dict[str, Callable[..., Any]]] = {
    "sync": idempotent(run),
    "async": idempotent(arun),
    "required": idempotent(required=True)(run),
    "arequired": idempotent(required=True)(arun),
    "bare": run,
    "bare-sync": run,
    "abare": arun,
    "exempt": idempotency_exempt(run_exempt),
    "exempt-sync": idempotency_exempt(run_exempt),
    "aexempt": idempotency_exempt(arun_exempt),
}
urlpatterns = [path(f"{place}/<str:name>/<path:rest>", view) for place, view in PLACES.items()]
urlpatterns += [path(f"{place}/<str:name>/", view) for place, view in PLACES.items()]
