"""Guarded views in the schema of drf-spectacular: ``DEFAULT_SCHEMA_CLASS`` of REST_FRAMEWORK."""

from typing import Any

try:
    from drf_spectacular import openapi
except ImportError as error:
    raise ImportError(
        "django_dist.contrib.spectacular needs drf-spectacular: pip install 'django-dist[openapi]'"
    ) from error

from .openapi import describe, policy_of


class AutoSchema(openapi.AutoSchema):
    """drf-spectacular's own, with header, refusals and replays of the views that @idempotent guards."""

    def get_operation(self, path: str, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """Return the operation, or None where it is left out of the schema."""
        operation: dict[str, Any] | None = super().get_operation(path, *args, **kwargs)
        handler = getattr(self.view, getattr(self.view, "action", None) or self.method.lower(), None)
        policy = policy_of(handler, type(self.view))
        if operation is not None and policy is not None and self.method in policy.methods:
            describe(operation, policy)
        return operation
