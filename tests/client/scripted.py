"""A real server that answers as a script says, and keeps what it was sent."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

#: The connection is closed before an answer, in the midst of its body, or kept open without one.
CUT, TORN, MUTE = "cut", "torn", "mute"
PATIENCE = 20.0


@dataclass
class Script:
    """The answers to come, each a status and headers, or how there is none; when they are used up, 200."""

    url: str = ""
    answers: list[Any] = field(default_factory=list)
    seen: list[tuple[str, str, str | None, bytes]] = field(default_factory=list)  # method, path, key, body
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def keys(self) -> list[str | None]:
        """The keys, in order."""
        return [key for _, _, key, _ in self.seen]

    @property
    def bodies(self) -> list[bytes]:
        """The bodies, in order."""
        return [body for *_, body in self.seen]


@contextmanager
def scripted(*answers: Any) -> Iterator[Script]:
    """Serve ``answers``, one a request."""
    script = Script(answers=list(answers))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            script.seen.append((self.command, self.path, self.headers["Idempotency-Key"], self._body()))
            answer = script.answers.pop(0) if script.answers else (200, {})
            if answer == CUT:
                self.close_connection = True
            elif answer == TORN:
                self._begin(200, {"Content-Length": "100"})
                self.wfile.write(b"half")
                self.close_connection = True
            elif answer == MUTE:
                script.over.wait(PATIENCE)
                self.close_connection = True
            else:
                status, headers = answer
                self._begin(status, {"Content-Length": "2", **headers})
                if self.command != "HEAD":
                    self.wfile.write(b"ok")

        do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = answer  # noqa: N815

        def _body(self) -> bytes:
            if self.headers["Transfer-Encoding"] != "chunked":
                return self.rfile.read(int(self.headers["Content-Length"] or 0))
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body

        def _begin(self, status: int, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        script.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield script
        finally:
            script.over.set()
            server.shutdown()
            thread.join(PATIENCE)
