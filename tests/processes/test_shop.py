"""The example shop behind a network that drops, delays and duplicates: one effect a call, by every client."""

import asyncio
import itertools
import json
import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
import requests
import stripe

from django_dist.client import Retries, RetryBudget
from django_dist.client.httpx import AsyncIdempotentTransport, IdempotentTransport
from django_dist.client.requests import IdempotentAdapter
from lengths import rounds

from .clients import Client, until
from .faulty import DROPPED, FAULTS, LATE, NONE, TORN, TWICE, Faulty, faulty
from .shops import serving

ORDER = {"customer": 1, "sku": "tea", "quantity": 1}
#: Each fault alone, each pair, and no fault last; a call meets one of them.
PLANS = [[fault] for fault in FAULTS] + [list(pair) for pair in itertools.permutations(FAULTS, 2)]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Serve the example shop on a SQLite database of its own."""
    with serving(tmp_path_factory.mktemp("shop")) as (client, _):
        yield client


def patient() -> Retries:
    return Retries(tries=8, pause=0.01, elapsed=60, budget=RetryBudget(reserve=1000))


def by_httpx(url: str, ends: ExitStack) -> Callable[[], Any]:
    transport = IdempotentTransport(patient(), httpx.HTTPTransport(verify=False))
    client = ends.enter_context(httpx.Client(transport=transport, timeout=30))
    return lambda: client.post(url + "/orders", json=ORDER).json()


def by_async_httpx(url: str, ends: ExitStack) -> Callable[[], Any]:
    async def order() -> Any:
        transport = AsyncIdempotentTransport(patient(), httpx.AsyncHTTPTransport(verify=False))
        async with httpx.AsyncClient(transport=transport, timeout=30) as client:
            return (await client.post(url + "/async/orders", json=ORDER)).json()

    return lambda: asyncio.run(order())


def by_requests(url: str, ends: ExitStack) -> Callable[[], Any]:
    session = ends.enter_context(requests.Session())
    session.trust_env = False
    session.mount("http://", IdempotentAdapter(patient()))
    return lambda: session.post(url + "/orders", json=ORDER, timeout=30).json()


def by_stripe(url: str, ends: ExitStack) -> Callable[[], Any]:
    http_client = stripe.RequestsClient(timeout=30)
    ends.callback(http_client.close)
    client = stripe.StripeClient(
        "sk_test_x", base_addresses={"api": url}, max_network_retries=8, http_client=http_client
    )
    charge = {"amount": 500, "currency": "eur", "customer": "cus_1"}
    return lambda: client.v1.charges.create(charge)


@pytest.mark.parametrize("by", [by_httpx, by_async_httpx, by_requests, by_stripe], ids=lambda by: by.__name__)
def test_call_has_one_effect_whatever_the_network_does(
    shop: Client, by: Any, tell: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    plans = _plans(few=by is not by_httpx)
    if by is by_stripe:  # it raises where an answer is torn, and leaves the repeat to its caller
        plans = [[fault for fault in plan if fault != TORN] for plan in plans]
    with faulty(shop.port) as (url, relay), ExitStack() as ends:
        call = by(url, ends)
        before = _effects(shop)
        answers = [_called(call, plan, relay) for plan in plans]
        relay.settle()
        sent = relay.delivered
    effects = _effects(shop) - before
    tell(f"{len(plans)} calls, {sent} deliveries, {effects} effects")
    assert effects == len(plans) == len(set(answers))
    assert sent > len(plans)


def _plans(*, few: bool) -> list[list[str]]:
    """Return the faults that each call meets; few for the SDK, which waits half a second and longer between tries."""
    rng = random.Random(7)
    plans = PLANS[: len(FAULTS)] if few else PLANS
    return plans + [rng.choices([*FAULTS, NONE], k=3) for _ in range(rounds(0, 30 if few else 500))]


def _called(call: Callable[[], Any], plan: list[str], relay: Faulty) -> str:
    relay.faults = list(plan)
    return str(call()["id"])


def _effects(shop: Client) -> int:
    """Count orders, and charges of the bank, which must agree with those of the shop."""
    state = shop.get("state")
    assert state["bank"]["charges"] == state["charges"]
    return int(state["orders"]) + int(state["charges"])


@pytest.mark.parametrize("fault", [DROPPED, TORN, LATE, TWICE])
def test_proxy_does_what_it_says_to_a_view_without_a_guard(shop: Client, fault: str) -> None:
    before = _effects(shop)
    with faulty(shop.port) as (url, relay), httpx.Client(timeout=30) as client:
        relay.faults = [fault]
        for _ in range(2):
            try:
                answer = client.post(url + "/unguarded/orders", content=json.dumps(ORDER))
            except httpx.TransportError:
                continue
            assert answer.status_code == 201
            break
        relay.settle()
    until(lambda: _effects(shop) - before == 2, "the second effect")
