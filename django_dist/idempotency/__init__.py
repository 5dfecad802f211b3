"""API idempotency: a request that is repeated, raced or cut short takes effect once."""

from .decorators import idempotency_exempt, idempotent
from .middleware import IdempotencyMiddleware
from .policy import Policy

__all__ = ["IdempotencyMiddleware", "Policy", "idempotency_exempt", "idempotent"]
