"""Distributed locks: one holder at a time, a lease by the store's clock, and a fence that tells a late holder."""

from .block import lock
from .decorator import locked
from .lease import Lease
from .many import acquire_all

__all__ = ["Lease", "acquire_all", "lock", "locked"]
