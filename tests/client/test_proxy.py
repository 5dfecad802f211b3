"""Where a proxy of httpx is to be named: what httpx.Client takes itself goes past a transport that it is given."""

import httpx

from client.scripted import scripted
from django_dist.client.httpx import IdempotentTransport

SHOP = "http://shop.example/orders"


def test_proxy_of_the_transport_is_sent_the_key() -> None:
    with scripted() as proxy:
        transport = IdempotentTransport(transport=httpx.HTTPTransport(proxy=proxy.url))
        with httpx.Client(transport=transport) as client:
            client.post(SHOP)
    assert len(proxy.keys) == 1
    assert proxy.keys[0] is not None


def test_proxy_of_the_client_is_sent_none() -> None:
    with scripted() as proxy, httpx.Client(transport=IdempotentTransport(), proxy=proxy.url) as client:
        client.post(SHOP)
    assert proxy.keys == [None]
