"""The same call by each library: httpx, its async client, and requests."""

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx
import requests

from django_dist.client import Retries
from django_dist.client.httpx import AsyncIdempotentTransport, IdempotentTransport
from django_dist.client.requests import IdempotentAdapter

LOST = (httpx.TransportError, requests.RequestException)
TIMEOUT = 0.5


@dataclass
class Got:
    """What the caller got."""

    status: int
    body: bytes
    response: Any


def by_httpx(
    retries: Retries, method: str, url: str, *, body: Any = None, timeout: float = TIMEOUT, **more: Any
) -> Got:
    with httpx.Client(
        transport=IdempotentTransport(retries, httpx.HTTPTransport(verify=False)),
        timeout=timeout,
        follow_redirects=True,
    ) as client:
        response = client.request(method, url, content=body, **more)
        return Got(response.status_code, response.content, response)


def by_async_httpx(
    retries: Retries, method: str, url: str, *, body: Any = None, timeout: float = TIMEOUT, **more: Any
) -> Got:
    async def call() -> Got:
        transport = AsyncIdempotentTransport(retries, httpx.AsyncHTTPTransport(verify=False))
        async with httpx.AsyncClient(transport=transport, timeout=timeout, follow_redirects=True) as client:
            content = _achunks(body) if hasattr(body, "__next__") else body
            response = await client.request(method, url, content=content, **more)
            return Got(response.status_code, response.content, response)

    return asyncio.run(call())


async def _achunks(chunks: Any) -> Any:
    for chunk in chunks:
        yield chunk


def by_requests(
    retries: Retries, method: str, url: str, *, body: Any = None, timeout: float = TIMEOUT, **more: Any
) -> Got:
    with requests.Session() as session:
        session.trust_env = False
        session.mount("http://", IdempotentAdapter(retries))
        response = session.request(method, url, data=body, timeout=timeout, **more)
        return Got(response.status_code, response.content, response)


CALLERS = [by_httpx, by_async_httpx, by_requests]
