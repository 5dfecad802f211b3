"""Conformance: the request's body is hashed and handed back unread."""

from django.core.files.uploadhandler import TemporaryFileUploadHandler
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.test import modify_settings, override_settings

from .harness import Harness, text
from .scopes import CSRF, TOKEN

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
