"""Who is measured without a peer: the bare views, the floors in raw SQL, and django_dist."""

from collections.abc import Callable
from functools import partial
from typing import Any

from django.db import connection, transaction
from django.http import HttpResponse

from idempotency_views import bare, floor_five, floor_postgresql, floor_sqlite, floor_unprepared, place, unguarded
from subjects import Subject, served

MIDDLEWARE = "django_dist.idempotency.IdempotencyMiddleware"
Build = Callable[[str], Subject]
View = Callable[..., HttpResponse]


def ours(name: str, *, atomic_requests: bool = False) -> Subject:
    """Return the view behind django_dist."""
    base = "bare, ATOMIC_REQUESTS" if atomic_requests else "bare"
    return served(name, _guard(unguarded), [MIDDLEWARE], atomic_requests=atomic_requests, base=base)


def _ours_drf(name: str) -> Subject:
    return served(name, drf_view(guard=_guard), [MIDDLEWARE], base="bare, DRF")


def _guard(view: Callable[..., Any]) -> Callable[..., Any]:
    from django_dist.idempotency import idempotent

    guarded: Callable[..., Any] = idempotent(view)
    return guarded


def _bare(name: str, *, atomic_requests: bool = False) -> Subject:
    view = unguarded if atomic_requests else bare
    return served(name, view, guarded=False, atomic_requests=atomic_requests, base=name)


def _bare_drf(name: str) -> Subject:
    return served(name, drf_view(atomic=True), guarded=False, base=name)


def _floor(name: str, *, view: View) -> Subject:
    return served(name, view)


def unguarded_subjects() -> dict[str, Build]:
    """Return what builds the bare views and the floors."""
    found: dict[str, Build] = {
        "bare": _bare,
        "bare, ATOMIC_REQUESTS": partial(_bare, atomic_requests=True),
        "bare, DRF": _bare_drf,
    }
    if connection.vendor == "postgresql":
        found["floor"] = partial(_floor, view=floor_postgresql)
        found["floor, not prepared"] = partial(_floor, view=floor_unprepared)
        found["floor, five round trips"] = partial(_floor, view=floor_five)
    else:
        found["floor"] = partial(_floor, view=floor_sqlite)
    return found


OURS: dict[str, Build] = {
    "django_dist": ours,
    "django_dist, ATOMIC_REQUESTS": partial(ours, atomic_requests=True),
    "django_dist, DRF": _ours_drf,
}


def drf_view(*, atomic: bool = False, guard: Callable[..., Any] | None = None, mixins: tuple[type, ...] = ()) -> View:
    """Return the same view in Django REST Framework, for a user known without asking the database.

    ``atomic`` puts ``post`` in a transaction, ``guard`` decorates it; ``mixins`` stand before APIView.
    """
    from django.contrib.auth.models import User
    from rest_framework.authentication import BaseAuthentication
    from rest_framework.parsers import JSONParser
    from rest_framework.renderers import JSONRenderer
    from rest_framework.response import Response
    from rest_framework.views import APIView

    user, _ = User.objects.get_or_create(username="benchmark")

    class Known(BaseAuthentication):
        def authenticate(self, request: Any) -> tuple[User, None]:
            return user, None

    def post(self: Any, request: Any) -> Response:
        answer, location = place(request.data)
        return Response(answer, status=201, headers={"Location": location})

    if atomic:
        post = transaction.atomic(post)
    body = {
        "authentication_classes": [Known],
        "parser_classes": [JSONParser],
        "renderer_classes": [JSONRenderer],
        "post": post if guard is None else guard(post),
    }
    view: View = type("Orders", (*mixins, APIView), body).as_view()  # type: ignore[attr-defined]
    return view
