"""Which errors of which libraries say that a call was sent and nobody answered: about those on_unknown decides."""

import asyncio
import concurrent.futures
import http.client
import urllib.error

import httpx
import pytest
import redis
import requests
import stripe
import urllib3

from django_dist.exceptions import StepUnknown
from django_dist.idempotency.stepping import got_no_answer

PYTHON = [TimeoutError(), asyncio.TimeoutError(), concurrent.futures.TimeoutError()]
PYTHON += [ConnectionResetError(), BrokenPipeError(), http.client.RemoteDisconnected(), http.client.IncompleteRead(b"")]
REQUESTS = [requests.ReadTimeout(), requests.ConnectTimeout(), requests.ConnectionError()]
REQUESTS += [requests.exceptions.ChunkedEncodingError()]
HTTPX = [httpx.ReadTimeout(""), httpx.PoolTimeout(""), httpx.ReadError(""), httpx.RemoteProtocolError("")]
OTHERS = [urllib3.exceptions.ReadTimeoutError(None, "", ""), urllib3.exceptions.ProtocolError()]  # type: ignore[arg-type]
OTHERS += [redis.TimeoutError(), redis.ConnectionError(), stripe.APIConnectionError("")]
UNANSWERED = [StepUnknown(), *PYTHON, *REQUESTS, *HTTPX, *OTHERS]

ANSWERED = [ValueError(), ConnectionRefusedError(), requests.HTTPError(), stripe.CardError("", None, None), OSError()]
ANSWERED += [httpx.HTTPStatusError("", request=None, response=None)]  # type: ignore[arg-type]
ANSWERED += [urllib.error.HTTPError("", 402, "", None, None), redis.ResponseError()]  # type: ignore[arg-type]


def named(error: BaseException) -> str:
    return f"{type(error).__module__}.{type(error).__name__}"


@pytest.mark.parametrize("error", UNANSWERED, ids=named)
def test_call_without_an_answer_is_of_unknown_outcome(error: BaseException) -> None:
    assert got_no_answer(error)


@pytest.mark.parametrize("error", ANSWERED, ids=named)
def test_call_that_was_answered_or_not_sent_did_not_happen(error: BaseException) -> None:
    assert not got_no_answer(error)
