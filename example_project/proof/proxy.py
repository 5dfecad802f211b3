"""A proxy that lets a request through, waits for the whole answer, and then throws some answers away.

It is what a client sees of a network that fails at the worst moment: the effect is there, the
answer is not. One request a connection; no chunked bodies.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

from .tally import REPLAYED, Tally


class DroppingProxy:
    """Stands before ``port`` and drops a ``share`` of the answers, chosen by ``rng``."""

    def __init__(self, port: int, tally: Tally, share: float, rng: Random) -> None:
        self.port, self.tally, self.share, self.rng = port, tally, share, rng

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """Listen on a free port of loopback; yield the address."""
        server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        async with server:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await _read_request(reader)
            self.tally.sent += 1
            answer = await self._ask(request)
            if answer is None:
                self.tally.cut += 1
            elif self.rng.random() < self.share:
                self.tally.dropped += 1
            else:
                writer.write(answer)
                await writer.drain()
                writer.write_eof()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client has gone, or the demo ends
        finally:
            writer.close()

    async def _ask(self, request: bytes) -> bytes | None:
        """Return the server's answer, or None where it broke off."""
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return None
        try:
            writer.write(request)
            answer = await reader.read(-1)
        except OSError:
            return None
        finally:
            writer.close()
        if not _is_whole(answer):
            return None
        fields = _fields(answer)
        self.tally.note(int(answer[9:12]), REPLAYED in fields)
        return answer


async def _read_request(reader: asyncio.StreamReader) -> bytes:
    """Return one request, changed to end its connection."""
    head = await reader.readuntil(b"\r\n\r\n")
    body = await reader.readexactly(int(_fields(head).get("content-length", "0")))
    first, *lines = head[:-4].split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith((b"connection:", b"keep-alive:"))]
    return b"\r\n".join([first, *kept, b"Connection: close", b"", body])


def _fields(message: bytes) -> dict[str, str]:
    head = message.partition(b"\r\n\r\n")[0].decode("latin-1")
    pairs = (line.partition(":") for line in head.split("\r\n")[1:])
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _is_whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    return bool(end) and len(body) == int(_fields(head + end).get("content-length", "-1"))
