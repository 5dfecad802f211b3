"""API idempotency: a request that is repeated, raced or cut short takes effect once."""

from .decorators import idempotency_exempt, idempotent
from .middleware import IdempotencyMiddleware
from .policy import Policy
from .steps import RERUN

__all__ = ["RERUN", "IdempotencyMiddleware", "Policy", "idempotency_exempt", "idempotent"]
