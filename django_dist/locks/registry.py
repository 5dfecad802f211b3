"""The stores of locks, by their alias in DIST_LOCKS."""

from typing import Final

from ..registry import Registry
from .base import LockBackend

locks: Final[Registry[LockBackend]] = Registry("DIST_LOCKS")
