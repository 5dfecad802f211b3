"""Send each request once in effect: a transport for httpx and an adapter for requests. Needs no Django settings."""

from .budget import RetryBudget
from .retries import HEADER, Retries, is_replay

__all__ = ["HEADER", "Retries", "RetryBudget", "is_replay"]
