"""Guarded operations in the schema of Django Ninja: ``from django_dist.contrib.ninja import NinjaAPI``."""

from copy import deepcopy
from typing import Any

try:
    import ninja
    from ninja.openapi.schema import OpenAPISchema
except ImportError as error:
    raise ImportError("django_dist.contrib.ninja needs django-ninja: pip install 'django-dist[ninja]'") from error

from .openapi import describe, policy_of


class GuardedSchema(OpenAPISchema):
    """Ninja's own, with header, refusals and replays of the operations that @idempotent guards."""

    def methods(self, operations: list[Any]) -> dict[str, Any]:
        """Return the operations of a path, by method."""
        found: dict[str, Any] = super().methods(operations)
        for operation in operations:
            policy = policy_of(operation.view_func)
            if policy is None or not operation.include_in_schema:
                continue
            for method in operation.methods:
                if method in policy.methods:
                    described = found[method.lower()] = deepcopy(found[method.lower()])  # all methods share one
                    describe(described, policy)
        return found


class NinjaAPI(ninja.NinjaAPI):
    """Ninja's own, whose schema tells of @idempotent."""

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None
    ) -> OpenAPISchema:
        """Return the schema."""
        if path_prefix is None:
            path_prefix = self.get_root_path(path_params or {})
        return GuardedSchema(self, path_prefix)
