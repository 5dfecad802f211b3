"""Why a guarded change was not made, row by row; what GuardFailed.short holds."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Short:
    """A row that kept a guarded change from being made."""

    pk: Any
    field: str
    wanted: Any
    has: Any  # None: the field is NULL, or the row is missing
    missing: bool = False

    def __str__(self) -> str:
        found = "there is no such row" if self.missing else "it is NULL" if self.has is None else f"it has {self.has}"
        return f"{self.field} of {self.pk!r}: {self.wanted} wanted, {found}"
