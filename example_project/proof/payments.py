"""Stripe's own SDK, unchanged: it makes customers and charges through the dropping proxy, and repeats by itself."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, Final

import stripe

from .tally import Promise, Tally

AT_ONCE: Final = 8  # customers in flight
#: The SDK waits 0.5 s and longer between tries; enough of them for any run of bad luck.
RETRIES: Final = 30


class Payments:
    """Customers who each pay several times into their wallets."""

    def __init__(self, url: str, tally: Tally, rng: Random) -> None:
        self.tally, self.rng = tally, rng
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._http = stripe.HTTPXClient(timeout=30)
        self._client = stripe.StripeClient(
            "sk_test_x", base_addresses={"api": url}, max_network_retries=RETRIES, http_client=self._http
        )

    async def run(self, customers: int, charges: int, promise: Promise) -> None:
        """Make ``customers``, charge each of them ``charges`` times, and misuse one key of each."""
        try:
            amounts = [[self.rng.randint(100, 99_999) for _ in range(charges)] for _ in range(customers)]
            promise.customers += customers
            promise.charges += customers * charges
            promise.charged += sum(map(sum, amounts))
            await asyncio.gather(*(self._pay(number, paid) for number, paid in enumerate(amounts)))
        finally:
            await self._http.close_async()

    async def _pay(self, number: int, amounts: list[int]) -> None:
        v1 = self._client.v1
        async with self._turn:
            name = {"name": f"Customer {number}", "email": f"c{number}@example.com"}
            customer = await self._timed(v1.customers.create_async, name)
            for amount in amounts[:-1]:
                await self._timed(v1.charges.create_async, _charge(customer, amount))
            options = {"idempotency_key": str(uuid.UUID(int=self.rng.getrandbits(128)))}
            await self._timed(v1.charges.create_async, _charge(customer, amounts[-1]), options)
            await self._misuse(_charge(customer, amounts[-1] + 1), options)

    async def _timed(self, create: Callable[..., Awaitable[Any]], *arguments: dict[str, Any]) -> str:
        """Create something; return its id."""
        started = time.monotonic()
        made: str = (await create(*arguments)).id
        self.tally.answered += 1
        self.tally.slowest_sdk = max(self.tally.slowest_sdk, time.monotonic() - started)
        kind, _, number = made.partition("_")
        self.tally.ids[kind].add(int(number))
        return made

    async def _misuse(self, params: dict[str, Any], options: dict[str, Any]) -> None:
        """Send another charge with a key that was used: Stripe's own exception must come of it."""
        self.tally.misused += 1
        try:
            await self._client.v1.charges.create_async(params, options)
        except stripe.IdempotencyError:
            self.tally.refused += 1
        self.tally.answered += 1


def _charge(customer: str, amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "eur", "customer": customer}
