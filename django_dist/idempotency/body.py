"""The raw body of a request, to be hashed before or after somebody has read it, and handed back as it was."""

import io
from tempfile import SpooledTemporaryFile
from typing import IO

from django.conf import settings
from django.http import HttpRequest

from ..exceptions import UnsupportedView

CHUNK_BYTES = 1 << 16


class Spool(io.IOBase):
    """A stream that keeps a copy of what is read from it, in memory and, where it is long, on disk."""

    def __init__(self, source: IO[bytes], length: int) -> None:
        self._source = source
        limit = settings.FILE_UPLOAD_MAX_MEMORY_SIZE
        self._copy: IO[bytes] = io.BytesIO() if length <= limit else SpooledTemporaryFile(max_size=limit)  # noqa: SIM115

    def read(self, size: int | None = -1, /) -> bytes:
        """Return up to ``size`` bytes: first what was put back, then from the source."""
        size = -1 if size is None else size
        data = self._copy.read(size)
        if size < 0 or len(data) < size:
            data += self._more(self._source.read(-1 if size < 0 else size - len(data)))
        return data

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return the next line, up to ``size`` bytes of it."""
        size = -1 if size is None else size
        line = self._copy.readline(size)
        if not line.endswith(b"\n") and (size < 0 or len(line) < size):
            line += self._more(self._source.readline(-1 if size < 0 else size - len(line)))
        return line

    def _more(self, data: bytes) -> bytes:
        self._copy.write(data)
        return data

    def close(self) -> None:
        """Close the copy; the source is the server's to close."""
        self._copy.close()

    def rest(self) -> tuple[IO[bytes], int]:
        """Read the source to its end; return the copy, and the reader's place in it."""
        place = self._copy.tell()
        self._copy.seek(0, io.SEEK_END)
        while self.read(CHUNK_BYTES):
            pass
        return self._copy, place


def keep_copy(request: HttpRequest) -> None:
    """Let ``request`` keep what is read of its body, so that it can be hashed later."""
    stream = getattr(request, "_stream", None)
    if stream is None or isinstance(stream, Spool) or _seekable(stream) or request._read_started:  # type: ignore[attr-defined]
        return
    length = request.META.get("CONTENT_LENGTH") or "0"
    request._stream = Spool(stream, int(length[:18]) if length.isdecimal() else 0)  # type: ignore[assignment]


def whole_body(request: HttpRequest) -> tuple[IO[bytes], int]:
    """Return the raw body from its start, and the reader's place in it, to go back to."""
    if hasattr(request, "_body"):
        return io.BytesIO(request._body), 0
    keep_copy(request)
    stream: IO[bytes] | Spool = getattr(request, "_stream", None) or io.BytesIO()
    if isinstance(stream, Spool):
        body, place = stream.rest()
    elif _seekable(stream):  # ASGI: Django has spooled it already
        body, place = stream, stream.tell()
    else:
        raise UnsupportedView(f"the body of {request.path} was read from its stream before @idempotent could hash it")
    body.seek(0)
    return body, place


def _seekable(stream: IO[bytes]) -> bool:
    # SpooledTemporaryFile has no seekable() before Python 3.11.
    return isinstance(stream, SpooledTemporaryFile) or stream.seekable()
