"""Distributed locks: one holder at a time, a lease by the store's clock, and a fence that tells a late holder."""

from .block import lock
from .decorator import locked
from .lease import Lease
from .many import acquire_all
from .row import RowLock, lock_rows

__all__ = ["Lease", "RowLock", "acquire_all", "lock", "lock_rows", "locked"]
