"""An answer as it is kept, and as it is given again: same status, reason, headers and bytes."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from tempfile import SpooledTemporaryFile
from typing import IO, Final

from asgiref.sync import async_to_sync
from django.http import FileResponse, HttpResponse, HttpResponseBase, StreamingHttpResponse

from .base import Answer
from .policy import Policy

REPLAYED: Final = "Idempotent-Replayed"
#: What belongs to one exchange: the connection (RFC 9110, section 7.6.1), the time, the browser that asked.
DENIED: Final = frozenset(
    {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer"}
    | {"transfer-encoding", "upgrade", "date", "age", "set-cookie", "set-cookie2", "idempotent-replayed"}
)
CHUNK_BYTES: Final = 64 * 1024


def to_answer(response: HttpResponseBase, body: bytes | None, policy: Policy) -> Answer:
    """Return what is kept of ``response``; ``body`` None keeps a tombstone."""
    headers = [[name, value] for name, value in response.items() if _kept(name.lower(), policy)]
    return Answer(response.status_code, response.reason_phrase, headers, body)


def _kept(name: str, policy: Policy) -> bool:
    if name in DENIED or name.startswith("access-control-"):
        return False
    return policy.replay_headers is None or name in {allowed.lower() for allowed in policy.replay_headers}


def to_response(answer: Answer) -> HttpResponse:
    """Return the first answer again, marked as a replay."""
    headers = {**dict(answer.headers), REPLAYED: "true"}
    response = HttpResponse(answer.body or b"", status=answer.status, reason=answer.reason, headers=headers)
    if "Content-Type" not in headers and not any(name.lower() == "content-type" for name in headers):
        del response["Content-Type"]  # Django's default; the answer had none
    return response


def body_of(response: HttpResponseBase, limit: int) -> bytes | None:
    """Return the body of ``response`` if it has at most ``limit`` bytes, else None; it can be sent after.

    A stream is read to its end now, into memory and beyond ``limit`` into a temporary file: what
    feeds it, such as a server-side cursor, may be gone after the COMMIT. Events and files known to
    be longer are left alone.
    """
    if not isinstance(response, StreamingHttpResponse):
        return response.content if len(response.content) <= limit else None  # type: ignore[attr-defined]
    if _left_alone(response, limit):
        return None
    if response.is_async:
        return async_to_sync(abody_of)(response, limit)
    with _spool(limit) as spool:
        for chunk in response:
            spool.write(response.make_bytes(chunk))
        return _handed_back(response, spool, limit)


async def abody_of(response: StreamingHttpResponse, limit: int) -> bytes | None:
    """See body_of(); for a stream that is read on the event loop."""
    if _left_alone(response, limit):
        return None
    with _spool(limit) as spool:
        async for chunk in response:
            spool.write(response.make_bytes(chunk))
        return _handed_back(response, spool, limit)


def _left_alone(response: StreamingHttpResponse, limit: int) -> bool:
    if response.get("Content-Type", "").startswith("text/event-stream"):
        return True
    length = response.get("Content-Length", "")
    return isinstance(response, FileResponse) and length.isdecimal() and int(length) > limit


@contextmanager
def _spool(limit: int) -> Iterator[IO[bytes]]:
    """Give a file that stays open after the block, for the response to close, unless an error leaves it."""
    spool = SpooledTemporaryFile(max_size=limit)  # noqa: SIM115
    try:
        yield spool
    except BaseException:
        spool.close()
        raise


def _handed_back(response: StreamingHttpResponse, spool: IO[bytes], limit: int) -> bytes | None:
    """Let ``response`` send what is in ``spool``; return it if it is short enough."""
    length = spool.tell()
    spool.seek(0)
    body = spool.read() if length <= limit else None
    spool.seek(0)
    was_async = response.is_async
    response.streaming_content = _achunks(spool) if was_async else _chunks(spool)
    response._resource_closers.append(spool.close)  # type: ignore[attr-defined]
    return body


def discard(response: HttpResponseBase) -> None:
    """Free what ``response`` holds, which is not sent; close() would also tell Django that the request is over."""
    closers: list[Callable[[], None]] = response._resource_closers  # type: ignore[attr-defined]
    while closers:
        with suppress(Exception):
            closers.pop()()


def _chunks(spool: IO[bytes]) -> Iterator[bytes]:
    while chunk := spool.read(CHUNK_BYTES):
        yield chunk


async def _achunks(spool: IO[bytes]) -> AsyncIterator[bytes]:
    for chunk in _chunks(spool):
        yield chunk
