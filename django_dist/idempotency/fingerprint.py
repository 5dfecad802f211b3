"""What makes two requests the same: method, host, path, query and body, as one digest."""

import hashlib
import io
from collections.abc import Iterator
from typing import IO, Any
from uuid import UUID

from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParser, MultiPartParserError

from .body import CHUNK_BYTES, whole_body
from .digests import digest_of
from .policy import Policy

UNPARSABLE = (MultiPartParserError, RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent)


def fingerprint_of(request: HttpRequest, policy: Policy) -> UUID:
    """Return the digest of what ``request`` asks; its body is unread afterwards if it was before."""
    if policy.fingerprint is not None:
        own = policy.fingerprint(request)
        body: Iterator[str | bytes] = iter(["own", own if isinstance(own, str | bytes) else repr(own)])
    else:
        body = _body_parts(request)
    query = request.META.get("QUERY_STRING", "")
    # The raw host: whether it is allowed is for those to say who use it.
    return digest_of([request.method or "", request._get_raw_host(), request.path, query, *body])  # type: ignore[attr-defined]


def _body_parts(request: HttpRequest) -> Iterator[str | bytes]:
    yield request.content_type or ""
    stream, place = whole_body(request)
    try:
        yield from _content_parts(request, stream)
    finally:
        stream.seek(place)


def _content_parts(request: HttpRequest, stream: IO[bytes]) -> list[str | bytes]:
    if request.content_type == "multipart/form-data":
        try:
            return list(_multipart_parts(request, stream))
        except UNPARSABLE:  # the view will say so, if it ever reads the form
            stream.seek(0)
    state = hashlib.sha256()
    while chunk := stream.read(CHUNK_BYTES):
        state.update(chunk)
    return [state.digest()]


def _multipart_parts(request: HttpRequest, stream: IO[bytes]) -> Iterator[str | bytes]:
    """Yield fields and files in an order of their own, whatever boundary stood between them."""
    files = _FileDigests(request)
    # Chunked requests have no length, and the parser would stop at 0. Latin-1 keeps every byte apart.
    meta = {**request.META, "CONTENT_LENGTH": str(_length(stream))}
    fields, _ = MultiPartParser(meta, stream, [files], "latin-1").parse()  # type: ignore[arg-type]
    for name, values in sorted(fields.lists()):
        yield from ("field", name, str(len(values)), *(str(value) for value in values))
    for parts in sorted(files.seen, key=lambda parts: parts[0]):
        yield from ("file", *parts)


def _length(stream: IO[bytes]) -> int:
    stream.seek(0, io.SEEK_END)
    length = stream.tell()
    stream.seek(0)
    return length


class _FileDigests(FileUploadHandler):
    """Hash each file of a form and keep none."""

    def __init__(self, request: HttpRequest) -> None:
        super().__init__(request)
        self.seen: list[tuple[str, str, str, bytes]] = []

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        super().new_file(*args, **kwargs)
        self._state = hashlib.sha256()

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        self._state.update(raw_data)

    def file_complete(self, file_size: int) -> None:
        names = (self.field_name, self.file_name, self.content_type)
        self.seen.append((*(str(name or "") for name in names), self._state.digest()))  # type: ignore[arg-type]
