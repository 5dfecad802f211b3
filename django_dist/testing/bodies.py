"""Conformance: the request's body is hashed and handed back unread; the answer's is kept up to a limit."""

import io
import tempfile
from collections.abc import AsyncIterator, Iterator

from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.db import connections
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse
from django.test import modify_settings, override_settings

from .harness import Harness, text
from .scopes import CSRF, TOKEN
from .stage import Effect, View

LONG = 3 * 2**20


def form(boundary: str, item: str = "tea", upload: bytes = b"\x00picture\r\n" * 100) -> dict[str, object]:
    """Return the keywords of a request with two fields and a file."""
    field = 'Content-Disposition: form-data; name="{}"'
    parts = [
        f"{field.format('csrfmiddlewaretoken')}\r\n\r\n{TOKEN}".encode(),
        f"{field.format('item')}\r\n\r\n{item}".encode(),
        f'{field.format("file")}; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'.encode() + upload,
    ]
    body = b"".join(b"--%b\r\n%b\r\n" % (boundary.encode(), part) for part in parts)
    return {
        "body": body + b"--%b--\r\n" % boundary.encode(),
        "content_type": f"multipart/form-data; boundary={boundary}",
    }


class Uploads(Harness):
    """Rows of the table: multipart; broken body; over Django's limits."""

    def take(self, request: HttpRequest) -> HttpResponseBase:
        """Answer with what arrived."""
        self.effect()
        file = request.FILES["file"]
        return JsonResponse({"item": request.POST["item"], "size": file.size})  # type: ignore[union-attr]

    def test_form_is_the_same_whatever_its_boundary(self) -> None:
        first = self.post(self.take, **form("one"))  # type: ignore[arg-type]
        self.assertEqual(first.json(), {"item": "tea", "size": 1000})
        self.assert_again(self.post(self.take, **form("two")), first)  # type: ignore[arg-type]
        self.assertEqual(self.effects(), 1)

    def test_form_with_other_content_is_refused(self) -> None:
        self.assert_once(self.take, **form("one"))
        for case, other in {"file": form("one", upload=b"x" * 1000), "field": form("one", item="ale")}.items():
            with self.subTest(case):
                self.assert_problem(self.post(self.take, **other), 422, "key-reused")  # type: ignore[arg-type]
        self.assertEqual(self.effects(), 1)

    def test_form_by_patch_is_the_same_whatever_its_boundary(self) -> None:
        def raw(request: HttpRequest) -> HttpResponseBase:
            return text(str(len(request.read())))

        first = self.post(raw, method="PATCH", **form("one"))  # type: ignore[arg-type]
        self.assertEqual(first.body.decode(), str(len(form("one")["body"])))  # type: ignore[arg-type]
        self.assert_again(self.post(raw, method="PATCH", **form("two")), first)  # type: ignore[arg-type]
        other = form("one", upload=b"")
        self.assert_problem(self.post(raw, method="PATCH", **other), 422, "key-reused")  # type: ignore[arg-type]

    def test_upload_handlers_can_still_be_set_in_the_view(self) -> None:
        def handled(request: HttpRequest) -> HttpResponseBase:
            request.upload_handlers = [TemporaryFileUploadHandler(request)]
            return text(type(request.FILES["file"]).__name__)

        self.assertEqual(self.assert_once(handled, **form("one")).body, b"TemporaryUploadedFile")

    def test_body_can_be_read_in_every_way(self) -> None:
        def body(request: HttpRequest) -> HttpResponseBase:
            return HttpResponse(request.body)

        def piecewise(request: HttpRequest) -> HttpResponseBase:
            return HttpResponse(request.read(3) + request.readline() + b"".join(request))

        sent = b"line one\nline two\n\nlast" * 9
        for view in (body, piecewise):
            with self.subTest(view.__name__):
                reply = self.assert_once(view, key=f"{len(view.__name__):032x}", body=sent)
                self.assertEqual(reply.body, sent)

    def test_body_over_djangos_limit_is_answered_as_without_us_and_not_recorded(self) -> None:
        def body(request: HttpRequest) -> HttpResponseBase:
            self.effect()
            return HttpResponse(request.body)

        for limits in ({"DATA_UPLOAD_MAX_MEMORY_SIZE": 10}, {}):
            with override_settings(**limits):
                self.assertEqual(self.post(body, body=b"x" * 11).status, 400 if limits else 200)
        self.assertEqual(self.effects(), 1)

    def test_view_that_reads_no_body_has_no_limit(self) -> None:
        with override_settings(DATA_UPLOAD_MAX_MEMORY_SIZE=10):
            self.assert_once(body=b"x" * 1000)

    def test_form_over_djangos_limit_is_not_recorded(self) -> None:
        for limits in ({"DATA_UPLOAD_MAX_NUMBER_FIELDS": 1}, {}):
            with override_settings(**limits):
                status = self.post(self.take, **form("one")).status  # type: ignore[arg-type]
                self.assertEqual(status, 400 if limits else 200)
        self.assertEqual(self.effects(), 1)

    def test_broken_form_is_answered_as_without_us_and_not_recorded(self) -> None:
        sent = {"body": b"--", "content_type": "multipart/form-data; boundary=" + "x" * 300}
        self.assertEqual(self.post(self.take, **sent).status, 400)  # type: ignore[arg-type]
        self.assertEqual((self.effects(), self.records().count()), (0, 0))

    def test_form_that_csrf_has_read_is_the_same_whatever_its_boundary(self) -> None:
        cookie = {"Cookie": f"csrftoken={TOKEN}"}
        with modify_settings(MIDDLEWARE=CSRF):
            first = self.post(self.take, csrf=True, headers=cookie, **form("one"))  # type: ignore[arg-type]
            self.assertEqual(first.json(), {"item": "tea", "size": 1000})
            again = self.post(self.take, csrf=True, headers=cookie, **form("two"))  # type: ignore[arg-type]
            other = self.post(self.take, csrf=True, headers=cookie, **form("two", "ale"))  # type: ignore[arg-type]
        self.assert_again(again, first)
        self.assert_problem(other, 422, "key-reused")


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
