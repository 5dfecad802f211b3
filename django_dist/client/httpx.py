"""Transports for httpx, sync and async: a key for each request, kept over retries and redirects."""

import time
from typing import Final

try:
    import anyio
    import httpx
except ImportError as error:
    raise ImportError("django_dist.client.httpx needs httpx: pip install 'django-dist[httpx]'") from error

from .retries import BUFFERED_BYTES, NO_ANSWER, Outcome, Retries

#: The connection broke or nothing came; other errors of httpx come again.
LOST: Final = (httpx.TimeoutException, httpx.NetworkError, httpx.RemoteProtocolError)


class IdempotentTransport(httpx.BaseTransport):
    """Sends through ``transport``, adds the key and tries again: ``httpx.Client(transport=IdempotentTransport())``.

    ``verify``, ``proxy`` and the like are for ``transport``: httpx.Client does not pass them on, or goes past this.
    An answer of known length up to 1 MiB is read before it is returned, so one that breaks off is
    tried again, too. A body that is a stream of unknown length is sent once. When the tries are used
    up, the last answer is returned or the last error raised.
    """

    def __init__(self, retries: Retries | None = None, transport: httpx.BaseTransport | None = None) -> None:
        self.retries, self._inner = retries or Retries(), transport or httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send ``request`` until its outcome is final."""
        self.retries.add_key(request.method, request.headers)
        if _is_short(request.headers):
            request.read()
        turns = self.retries.turns(request.method, request.headers, _rewindable(request))
        next(turns)
        while True:
            try:
                response = self._whole(request)
            except LOST:
                if (pause := turns.send(NO_ANSWER)) is None:
                    raise
            else:
                if (pause := turns.send(Outcome(response.status_code, response.headers))) is None:
                    return response
                response.close()
            time.sleep(pause)

    def _whole(self, request: httpx.Request) -> httpx.Response:
        response = self._inner.handle_request(request)
        stream = response.stream
        if _is_short(response.headers) and isinstance(stream, httpx.SyncByteStream):
            try:
                response.stream = httpx.ByteStream(b"".join(stream))
            finally:
                stream.close()
        return response

    def close(self) -> None:
        """Close the transport within."""
        self._inner.close()


class AsyncIdempotentTransport(httpx.AsyncBaseTransport):
    """See IdempotentTransport; for ``httpx.AsyncClient``."""

    def __init__(self, retries: Retries | None = None, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.retries, self._inner = retries or Retries(), transport or httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send ``request`` until its outcome is final."""
        self.retries.add_key(request.method, request.headers)
        if _is_short(request.headers):
            await request.aread()
        turns = self.retries.turns(request.method, request.headers, _rewindable(request))
        next(turns)
        while True:
            try:
                response = await self._whole(request)
            except LOST:
                if (pause := turns.send(NO_ANSWER)) is None:
                    raise
            else:
                if (pause := turns.send(Outcome(response.status_code, response.headers))) is None:
                    return response
                await response.aclose()
            await anyio.sleep(pause)

    async def _whole(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        stream = response.stream
        if _is_short(response.headers) and isinstance(stream, httpx.AsyncByteStream):
            try:
                response.stream = httpx.ByteStream(b"".join([chunk async for chunk in stream]))
            finally:
                await stream.aclose()
        return response

    async def aclose(self) -> None:
        """Close the transport within."""
        await self._inner.aclose()


def _is_short(headers: httpx.Headers) -> bool:
    length = headers.get("Content-Length", "")
    return length.isascii() and length.isdecimal() and int(length) <= BUFFERED_BYTES


def _rewindable(request: httpx.Request) -> bool:
    return isinstance(request.stream, httpx.ByteStream)
