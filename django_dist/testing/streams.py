"""Conformance: the body of an answer is kept up to a limit, whether it is a text, a file or a stream."""

import io
import tempfile
from collections.abc import AsyncIterator, Iterator

from asgiref.sync import sync_to_async
from django.db import connections
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from .harness import Harness, text
from .stage import Effect, View

LONG = 3 * 2**20


class Breaking:
    """An async stream that leaves an effect, and then raises; it holds something that is to be closed."""

    def __init__(self, suite: Harness) -> None:
        self._suite, self.closed = suite, False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield str(await sync_to_async(self._suite.effect)()).encode()
        raise ValueError("on purpose")

    def close(self) -> None:
        """Note that the answer lets go of the stream."""
        self.closed = True


class Streams(Harness):
    """Rows of the table: streaming, file, 204, binary, 3 MB, events."""

    def test_empty_and_binary_answers_are_replayed(self) -> None:
        def nothing(request: HttpRequest) -> HttpResponseBase:
            return HttpResponse(status=204)

        def binary(request: HttpRequest) -> HttpResponseBase:
            return HttpResponse(bytes(range(256)), content_type="application/octet-stream")

        for view in (nothing, binary):
            self.assert_once(view, key=f"{len(view.__name__):032x}")

    def test_stream_is_replayed(self) -> None:
        def stream(request: HttpRequest) -> HttpResponseBase:
            return StreamingHttpResponse(f"{number}{self.effect()}"[:1] for number in range(3))

        self.assertEqual(self.assert_once(stream).body, b"012")
        self.assertEqual(self.effects(), 3)

    def test_stream_that_breaks_is_rolled_back_and_runs_again(self) -> None:
        def chunks() -> Iterator[bytes]:
            yield str(self.effect()).encode()
            if not fixed:
                raise ValueError("on purpose")

        def stream(request: HttpRequest) -> HttpResponseBase:
            return StreamingHttpResponse(chunks())

        fixed: list[bool] = []
        self.assertEqual(self.post(stream).status, 500)
        self.assertEqual((self.effects(), self.records().count()), (0, 0))
        fixed.append(True)
        self.assert_once(stream)

    def test_async_stream_that_breaks_is_closed_and_its_key_free(self) -> None:
        async def stream(request: HttpRequest) -> HttpResponseBase:
            return StreamingHttpResponse(broken.pop() if broken else chunks())

        async def chunks() -> AsyncIterator[bytes]:
            yield b"fine"

        if not self.asynchronous:
            self.skipTest("an async stream is for ASGI")
        broken = [held := Breaking(self)]
        self.assertEqual(self.post(stream).status, 500)
        self.assertTrue(held.closed)
        self.assertEqual((self.effects(), self.records().count()), (0, 0))
        with self.policy(wait=0):
            self.assertEqual(self.assert_once(stream).body, b"fine")

    def test_file_is_replayed(self) -> None:
        def file(request: HttpRequest) -> HttpResponseBase:
            self.effect()
            return FileResponse(io.BytesIO(b"\x89PNG"), filename="a.png", as_attachment=True)

        first = self.assert_once(file)
        self.assertEqual(first.body, b"\x89PNG")
        again = self.post(file)
        self.assertEqual(again.headers["Content-Disposition"], first.headers["Content-Disposition"])
        self.assertEqual(self.effects(), 1)

    def test_answer_over_the_limit_is_sent_and_its_repeat_refused(self) -> None:
        def long(request: HttpRequest) -> HttpResponseBase:
            self.effect()
            return HttpResponse(b"x" * LONG)

        def stream(request: HttpRequest) -> HttpResponseBase:
            self.effect()
            return StreamingHttpResponse(b"x" * 1024 for _ in range(LONG // 1024))

        def file(request: HttpRequest) -> HttpResponseBase:
            self.effect()
            held = tempfile.TemporaryFile()  # noqa: SIM115  (closed with the answer)
            held.write(b"x" * LONG)
            held.seek(0)
            return FileResponse(held)

        for view in (long, stream, file):
            with self.subTest(view.__name__):
                key = view.__name__.encode().hex().zfill(32)
                self.assertEqual(self.post(view, key=key).body, b"x" * LONG)
                self.assert_problem(self.post(view, key=key), 409, "answer-not-kept")
        self.assertEqual(self.effects(), 3)

    def test_limit_is_the_policys(self) -> None:
        with self.policy(max_response_bytes=10):
            self.assert_once(exactly(10))
            key = "f" * 32
            self.post(exactly(11), key=key)
            self.assert_problem(self.post(exactly(11), key=key), 409, "answer-not-kept")

    def test_stream_from_a_cursor_over_the_limit_outlives_the_commit(self) -> None:
        def rows(request: HttpRequest) -> HttpResponseBase:
            Effect.objects.using(self.database).bulk_create([Effect(what=str(number)) for number in range(500)])
            found = Effect.objects.using(self.database).order_by("pk").values_list("what", flat=True)
            return StreamingHttpResponse(f"{what}\n" for what in found.iterator(chunk_size=10))

        with self.policy(max_response_bytes=100):
            self.assertEqual(self.post(rows).body.decode().split(), [str(number) for number in range(500)])
            self.assert_problem(self.post(rows), 409, "answer-not-kept")

    def test_events_are_not_read_before_they_are_sent(self) -> None:
        def chunks() -> Iterator[bytes]:
            seen.append(self.records().count())
            yield b"data: 1\n\n"

        def events(request: HttpRequest) -> HttpResponseBase:
            self.effect()
            return StreamingHttpResponse(chunks(), content_type="text/event-stream")

        seen: list[int] = []
        self.assertEqual(self.post(events).body, b"data: 1\n\n")
        self.assertEqual(seen, [1])  # recorded before the first event was made
        self.assert_problem(self.post(events), 409, "answer-not-kept")
        self.assertEqual(self.effects(), 1)

    def test_async_stream_is_replayed(self) -> None:
        async def chunks(length: int) -> AsyncIterator[bytes]:
            for _ in range(length):
                yield b"x"

        async def stream(request: HttpRequest) -> HttpResponseBase:
            return StreamingHttpResponse(chunks(3))

        async def long(request: HttpRequest) -> HttpResponseBase:
            return StreamingHttpResponse(chunks(30))

        if not self.asynchronous:
            self.skipTest("an async stream is for ASGI")
        with self.policy(max_response_bytes=10):
            self.assertEqual(self.assert_once(stream).body, b"xxx")
            self.assertEqual(self.post(long, key="f" * 32).body, b"x" * 30)
            self.assert_problem(self.post(long, key="f" * 32), 409, "answer-not-kept")

    def test_rows_can_be_locked_and_iterated_in_the_view(self) -> None:
        def locking(request: HttpRequest) -> HttpResponseBase:
            self.effect()
            rows = Effect.objects.using(self.database).all()
            if connections[self.database].features.has_select_for_update:
                rows = rows.select_for_update()
            return text(str(len(list(rows.iterator()))))

        self.assertEqual(self.assert_once(locking).body, b"1")


def exactly(length: int) -> View:
    """Return a view that answers with ``length`` bytes."""

    def exact(request: HttpRequest) -> HttpResponseBase:
        return HttpResponse(b"x" * length)

    return exact
