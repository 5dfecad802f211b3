"""A dedupe table: of any number of claims of one key, one wins, and it lasts with the caller's writes or not at all."""

from .claims import aclaim, aclaim_many, claim, claim_many
from .once import once

__all__ = ["aclaim", "aclaim_many", "claim", "claim_many", "once"]
