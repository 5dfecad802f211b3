"""Raw duplicates: each order is sent several times at once, and each copy until it has an answer."""

import asyncio
import time
import uuid
from collections.abc import Sequence
from random import Random
from typing import Any, Final, NamedTuple

import httpx

from store.wares import CUSTOMERS, PLENTY, SEAT

from .tally import REPLAYED, Promise, Tally, Unanswered

COPIES: Final = 4
AT_ONCE: Final = 10  # logical requests in flight
TRIES: Final = 200
#: Answers that tell a client to come again.
AGAIN: Final = frozenset({409, 425, 429, 500, 502, 503, 504})


class Wish(NamedTuple):
    """One logical request: an order that is to take place once."""

    path: str
    key: str
    body: dict[str, Any]


def make_wishes(paths: Sequence[str], orders: int, seats: int, promise: Promise, rng: Random) -> list[Wish]:
    """Return ``orders`` orders of what is plenty and ``seats`` of what is not, in random order; promise them."""
    wares = [rng.choice(PLENTY) for _ in range(orders)] + [SEAT] * seats
    rng.shuffle(wares)
    wishes = []
    for at, ware in enumerate(wares):
        quantity = 1 if ware is SEAT else rng.randint(1, 5)
        body = {"customer": rng.randint(1, len(CUSTOMERS)), "sku": ware.sku, "quantity": quantity}
        wishes.append(Wish(paths[at % len(paths)], str(uuid.UUID(int=rng.getrandbits(128))), body))
        if ware is not SEAT:
            promise.items += quantity
            promise.spent += quantity * ware.price
    promise.orders += orders
    promise.seats_wanted += seats
    return wishes


class Storm:
    """Sends wishes to ``url`` and notes in ``tally`` what comes back."""

    def __init__(self, url: str, tally: Tally, rng: Random) -> None:
        self.url, self.tally, self.rng = url, tally, rng
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def run(self, wishes: Sequence[Wish], misuse: int) -> None:
        """Send every wish until each copy has an answer; then ``misuse`` keys again with another body."""
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=COPIES * AT_ONCE)
        async with httpx.AsyncClient(base_url=self.url, timeout=30, limits=limits, trust_env=False) as client:
            await asyncio.gather(*(self._grant(client, wish) for wish in wishes))
            for wish in wishes[:misuse]:
                await self._misuse(client, wish)

    async def _grant(self, client: httpx.AsyncClient, wish: Wish) -> None:
        async with self._turn:
            started = time.monotonic()
            answers = await asyncio.gather(*(self._until_answered(client, wish) for _ in range(COPIES)))
            self.tally.answered += 1
            self.tally.slowest_order = max(self.tally.slowest_order, time.monotonic() - started)
        for answer in answers:
            self.tally.answers[wish.key].add(answer.content)
            if answer.status_code == 201:
                self.tally.ids["order"].add(answer.json()["id"])

    async def _misuse(self, client: httpx.AsyncClient, wish: Wish) -> None:
        other = wish._replace(body={**wish.body, "quantity": wish.body["quantity"] + 1})
        answer = await self._until_answered(client, other)
        self.tally.misused += 1
        self.tally.refused += answer.status_code == 422
        self.tally.answered += 1

    async def _until_answered(self, client: httpx.AsyncClient, wish: Wish) -> httpx.Response:
        pause = 0.02
        for _ in range(TRIES):
            self.tally.sent += 1
            try:
                answer = await client.post(wish.path, json=wish.body, headers={"Idempotency-Key": wish.key})
            except httpx.TransportError:
                self.tally.cut += 1
            else:
                self.tally.note(answer.status_code, REPLAYED in answer.headers)
                if answer.status_code not in AGAIN:
                    return answer
                pause = max(pause, min(float(answer.headers.get("Retry-After", 0)), 1.0))
            await asyncio.sleep(pause * self.rng.uniform(0.5, 1.0))
            pause = min(2 * pause, 0.5)
        raise Unanswered(f"{wish.path}: no answer after {TRIES} tries with the key {wish.key}")
