"""The raw body of a request, to be hashed before or after somebody has read it, and handed back as it was."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import SpooledTemporaryFile
from typing import IO

from django.conf import settings
from django.http import HttpRequest

from ..exceptions import UnsupportedView


class Spool(io.IOBase):
    """A stream that keeps a copy of what is read from it, in memory and then on disk."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._copy = SpooledTemporaryFile(max_size=settings.FILE_UPLOAD_MAX_MEMORY_SIZE)  # noqa: SIM115

    def read(self, size: int | None = -1, /) -> bytes:
        """Return up to ``size`` bytes: first what was put back, then from the source."""
        data = self._copy.read(-1 if size is None else size)
        if size is None or size < 0 or len(data) < size:
            more = self._source.read(-1 if size is None or size < 0 else size - len(data))
            self._copy.write(more)
            data += more
        return data

    def readline(self, size: int | None = -1, /) -> bytes:
        """Return the next line, up to ``size`` bytes of it."""
        line = self._copy.readline(-1 if size is None else size)
        if not line.endswith(b"\n") and (size is None or size < 0 or len(line) < size):
            more = self._source.readline(-1 if size is None or size < 0 else size - len(line))
            self._copy.write(more)
            line += more
        return line

    def close(self) -> None:
        """Close the copy; the source is the server's to close."""
        self._copy.close()

    @contextmanager
    def whole(self) -> Iterator[IO[bytes]]:
        """Give all of the body from its start; the reader's place is kept."""
        place = self._copy.tell()
        while self.read(1 << 16):
            pass
        self._copy.seek(0)
        yield self._copy
        self._copy.seek(place)


def keep_copy(request: HttpRequest) -> None:
    """Let ``request`` keep what is read of its body, so that it can be hashed later."""
    stream = getattr(request, "_stream", None)
    if stream is None or isinstance(stream, Spool) or _seekable(stream) or request._read_started:  # type: ignore[attr-defined]
        return
    request._stream = Spool(stream)  # type: ignore[assignment]


@contextmanager
def whole_body(request: HttpRequest) -> Iterator[IO[bytes]]:
    """Give the raw body from its start, and leave the request's own place in it as it was."""
    if hasattr(request, "_body"):
        yield io.BytesIO(request._body)
        return
    keep_copy(request)
    stream = getattr(request, "_stream", None) or io.BytesIO()
    if isinstance(stream, Spool):
        with stream.whole() as body:
            yield body
    elif _seekable(stream):  # ASGI: Django has spooled it already
        place = stream.tell()
        stream.seek(0)
        yield stream
        stream.seek(place)
    else:
        raise UnsupportedView(f"the body of {request.path} was read from its stream before @idempotent could hash it")


def _seekable(stream: IO[bytes]) -> bool:
    # SpooledTemporaryFile has no seekable() before Python 3.11.
    return isinstance(stream, SpooledTemporaryFile) or stream.seekable()
