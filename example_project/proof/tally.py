"""What was sent and answered in one phase, and what it must have come to."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Final

#: The header of an answer that is a repeat of the first one.
REPLAYED: Final = "idempotent-replayed"


class Unanswered(Exception):
    """A request had no final answer after every try that it was given."""


@dataclass
class Tally:
    """Counts of one phase; ``planned`` logical requests are to be answered."""

    name: str
    planned: int
    answered: int = 0  # logical requests
    sent: int = 0  # requests on the wire
    statuses: Counter[int] = field(default_factory=Counter)
    replays: int = 0
    dropped: int = 0  # answers that the proxy threw away
    aimed: int = 0  # kills while the bank had charged the card and the shop had not yet noted it
    cut: int = 0  # requests without an answer, since the worker died
    kills: int = 0
    misused: int = 0  # keys sent again with another body
    refused: int = 0  # and refused for it
    bank_calls: int = 0
    slowest_order: float = 0.0  # seconds from the first try of a logical request to its last answer
    slowest_sdk: float = 0.0
    seconds: float = 0.0
    answers: defaultdict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))  # key to bodies
    ids: dict[str, set[int]] = field(default_factory=lambda: {"order": set(), "cus": set(), "ch": set()})

    def note(self, status: int, replayed: bool) -> None:
        """Count one answer of the server."""
        self.statuses[status] += 1
        self.replays += replayed


@dataclass
class Promise:
    """What all phases together must come to; money in minor units. Seats are counted apart from the rest."""

    orders: int = 0
    items: int = 0  # pieces sold
    spent: int = 0
    customers: int = 0
    charges: int = 0
    charged: int = 0
    seats_wanted: int = 0
