"""What is done to each server, and what it must come to."""

import asyncio
from dataclasses import dataclass
from random import Random
from typing import Final

from .killer import kill_workers
from .payments import Payments
from .proxy import DroppingProxy
from .servers import WORKERS, Server
from .storm import Storm, make_wishes
from .tally import Promise, Tally

#: Of the answers to Stripe's SDK, how many never arrive.
DROPPED: Final = 0.25


@dataclass(frozen=True)
class Phase:
    """One server and its load; ``misuse`` is how many order keys are sent again with another body."""

    server: str
    title: str
    paths: tuple[str, ...]
    orders: int
    seats: int
    misuse: int
    customers: int
    charges: int  # a customer
    kills: int
    aimed: int  # kills of a worker that waits for the bank

    @property
    def logical(self) -> int:
        """How many logical requests there are, each misuse counted as one."""
        return self.orders + self.seats + self.misuse + self.customers * (1 + self.charges + 1)

    async def run(self, server: Server, tally: Tally, promise: Promise, rng: Random, guarded: bool) -> None:
        """Storm, pay and kill at once, until every logical request has its answer."""
        below = "" if guarded else "/unguarded"
        paths = self.paths if guarded else ("/unguarded/orders",)
        seeds = [Random(rng.getrandbits(64)) for _ in range(4)]
        wishes = make_wishes(paths, self.orders, self.seats, promise, seeds[0])
        proxy = DroppingProxy(server.port, tally, DROPPED, seeds[1])
        async with proxy.serve() as address:
            payments = Payments(address + below, tally, seeds[2])
            await asyncio.gather(
                Storm(server.url, tally, seeds[0]).run(wishes, self.misuse),
                payments.run(self.customers, self.charges, promise),
                kill_workers(server, tally, self.kills, self.aimed, seeds[3]),
            )


PHASES: Final = (
    Phase(
        server="gunicorn",
        title=f"gunicorn, {WORKERS['gunicorn']} workers of 4 threads",
        paths=("/orders",),
        orders=160,
        seats=20,
        misuse=10,
        customers=16,
        charges=4,
        kills=15,
        aimed=5,
    ),
    Phase(
        server="uvicorn",
        title=f"uvicorn, {WORKERS['uvicorn']} workers",
        paths=("/orders", "/async/orders"),
        orders=70,
        seats=15,
        misuse=10,
        customers=8,
        charges=4,
        kills=3,
        aimed=2,
    ),
)
