"""Versions over Django REST framework: ETag and If-Match for views, and a serializer field that carries the version.

Made for the one instance of a request; lists and bulk writes are left as they are.
"""

from typing import Any, ClassVar, Final

try:
    from rest_framework import serializers
    from rest_framework.exceptions import APIException, PermissionDenied
    from rest_framework.fields import SkipField, empty
    from rest_framework.utils.encoders import JSONEncoder
except ImportError as error:
    raise ImportError(
        "django_dist.contrib.rest_framework needs Django REST framework: pip install 'django-dist[drf]'"
    ) from error

from django.core.exceptions import PermissionDenied as DjangoPermissionDenied
from django.db import DatabaseError, models
from django.http import Http404
from django.utils.cache import get_conditional_response

from ..concurrency.etag import CHANGED, REFUSED, check_match, etag, problem, refused, roll_back, with_etag
from ..concurrency.field import version_field, version_name
from ..exceptions import PROBLEM, StaleVersion
from .rest_conflict import changes_of, values_of

#: Actions whose answer shows the instance itself; None is a generic view that is no viewset.
SHOWING: Final = (None, "retrieve", "create", "update", "partial_update")
HIDDEN: Final = (Http404, PermissionDenied, DjangoPermissionDenied, DatabaseError)


class VersionConflict(StaleVersion, APIException):
    """The client has read another version than the row has now: 409, with the three-way view as ``changes``."""

    status_code = 409

    def __init__(self, error: StaleVersion, changes: dict[str, dict[str, Any]], version: int | None = None) -> None:
        super().__init__(
            str(error), model=error.model, pk=error.pk, expected=error.expected, actual=error.actual, gone=error.gone
        )
        told = {} if version is None else {"version": version}
        shown = {"changes": changes} if changes else {}
        members = {"type": PROBLEM + "stale-version", "title": "Changed meanwhile", "status": 409, "detail": CHANGED}
        self.detail = {**members, **told, **shown}


class VersionField(serializers.IntegerField):
    """The version, out and in: an update that brings another version than the row has is refused with 409.

    An update needs it, a partial one too, unless the request has If-Match; a create needs none.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": 1, **kwargs})

    def _instance(self) -> Any:
        return getattr(self.parent, "instance", None)

    def validate_empty_values(self, data: Any) -> tuple[bool, Any]:
        """Say whether ``data`` is needed."""
        if self._instance() is None:
            raise SkipField  # the row is still to be made
        if data is empty and self.required:
            request = self.context.get("request")
            if request is None or "If-Match" not in request.headers:
                self.fail("required")
            raise SkipField
        found: tuple[bool, Any] = super().validate_empty_values(data)
        return found

    def run_validation(self, data: Any = empty) -> Any:
        """Return the version; raises VersionConflict if the instance has another. Its save() asks for it again."""
        expected, instance = super().run_validation(data), self._instance()
        if not isinstance(instance, models.Model):
            return expected  # one of a list: its serializer decides
        name = version_name(type(instance))
        actual = getattr(instance, name)
        if expected != actual:
            told = f"{instance._meta.label} {instance.pk!r} has version {actual}, not {expected}"
            stale = StaleVersion(told, model=type(instance), pk=instance.pk, expected=expected, actual=actual)
            mine, raw = values_of(self.parent)
            raise VersionConflict(stale, changes_of(self.parent, instance, None, mine, raw), actual)
        return expected


class VersionedViewMixin:
    """For a generic view or viewset of a VersionedModel, to stand before it among the bases.

    What is read, made and updated is answered with its ETag; a GET whose If-None-Match names it gets 304. PUT, PATCH
    and DELETE need If-Match (428) that names the version of the row (412), which the UPDATE asks for again.
    """

    match_required: ClassVar[bool] = True  # False: If-Match is heeded where it is sent; for who sends a VersionField
    not_modified: ClassVar[bool] = True  # False: no 304, where the answer shows more than the row
    _shown: Any = None

    def get_object(self) -> Any:
        """Return the instance, if the request may change this version of it."""
        instance = super().get_object()  # type: ignore[misc]
        method = self.request._request.method  # type: ignore[attr-defined]  # that of OPTIONS poses as others
        if method not in ("GET", "HEAD", "OPTIONS"):
            needed = self.match_required and method in ("PUT", "PATCH", "DELETE")
            check_match(self.request, instance, required=needed)  # type: ignore[attr-defined]
        return instance

    def get_serializer(self, *args: Any, **kwargs: Any) -> Any:
        """Return the serializer, and remember what it shows."""
        self._shown = super().get_serializer(*args, **kwargs)  # type: ignore[misc]
        return self._shown

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        """Add the ETag; answer 304 to who has it already."""
        response = super().finalize_response(request, response, *args, **kwargs)  # type: ignore[misc]
        instance = getattr(self._shown, "instance", None)
        if getattr(self, "action", None) not in SHOWING or not 200 <= response.status_code < 300:
            return response
        if not isinstance(instance, models.Model) or version_field(type(instance)) is None:
            return response
        with_etag(response, instance)
        if self.not_modified and request.method in ("GET", "HEAD"):
            return get_conditional_response(request, etag=etag(instance), response=response)
        return response

    def handle_exception(self, exc: Exception) -> Any:
        """Answer a refusal as problem details, and roll back what ATOMIC_REQUESTS would commit."""
        if not isinstance(exc, REFUSED):
            return super().handle_exception(exc)  # type: ignore[misc]
        by_header = "If-Match" in self.request.headers  # type: ignore[attr-defined]
        if isinstance(exc, StaleVersion) and not isinstance(exc, VersionConflict) and not by_header:
            exc = self._conflict(exc)
        roll_back()
        if isinstance(exc, VersionConflict):
            return problem(exc.detail, JSONEncoder)
        return refused(self.request, exc)  # type: ignore[attr-defined]

    def _conflict(self, error: StaleVersion) -> VersionConflict:
        """Return ``error`` with what the client may see of the row as it is now."""
        mine = getattr(self._shown, "instance", None)
        if not isinstance(mine, models.Model) or (type(mine), mine.pk) != (error.model, error.pk):
            return VersionConflict(error, {})
        try:
            theirs = super().get_object()  # type: ignore[misc]
            version = getattr(theirs, version_name(type(theirs)))
        except HIDDEN:
            return VersionConflict(error, {})
        if version == error.expected:  # a snapshot that does not show the change
            return VersionConflict(error, {})
        loaded = mine._state.__dict__.get("dist_loaded", {})
        names = [field.attname for field in mine._meta.concrete_fields]
        held = {name: value for name, value in vars(mine).items() if name in names and not _is_expression(value)}
        carried = any(isinstance(field, VersionField) for field in self._shown.fields.values())
        return VersionConflict(error, changes_of(self._shown, theirs, loaded, held, {}), version if carried else None)


def _is_expression(value: Any) -> bool:
    return hasattr(value, "resolve_expression")
