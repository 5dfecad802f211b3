"""The stores of requests, by their alias in DIST_IDEMPOTENCY."""

from typing import Final

from ..registry import Registry
from .base import RequestBackend

requests: Final[Registry[RequestBackend]] = Registry("DIST_IDEMPOTENCY", frozenset({"BACKEND", "OPTIONS", "POLICY"}))
