"""Conformance: what a request and its repeat are answered, and what of the view's writes lasts."""

import gzip
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import connections, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.template.backends.django import DjangoTemplates
from django.template.response import SimpleTemplateResponse
from django.test import modify_settings

from ..idempotency.policy import FLEETING
from .harness import Harness, text

BODY = bytes(range(256))
KEPT = {
    "Location": "/orders/7",
    "ETag": '"7"',
    "Link": '</orders>; rel="up"',
    "X-Total": "12",
    "Content-Language": "de",
    "Vary": "Accept",
}
DROPPED = {
    "Date": "Mon, 23 Nov 2026 00:00:00 GMT",
    "Connection": "close",
    "Keep-Alive": "timeout=5",
    "Transfer-Encoding": "identity",
    "Access-Control-Allow-Origin": "https://a.example",
    "Access-Control-Expose-Headers": "ETag",
}


class Answers(Harness):
    """Rows of the table: first, repeat, refused, raised, 5xx, 4xx, hooks."""

    def full(self, request: HttpRequest) -> HttpResponseBase:
        """Answer with everything that an answer can have."""
        self.effect()
        response = HttpResponse(BODY, status=202, reason="Under way", content_type="application/x-own; a=b")
        for name, value in (KEPT | DROPPED).items():
            response[name] = value
        response.set_cookie("session", "secret")
        return response

    def test_first_request_gets_the_views_own_answer(self) -> None:
        first = self.post(self.full)
        self.assertEqual((first.status, first.reason, first.body), (202, "Under way", BODY))
        self.assertEqual({**KEPT, **DROPPED}.items() - dict(first.headers).items(), set())
        self.assertEqual(first.cookies, {"session": "secret"})
        self.assertFalse(first.replayed)
        self.assertEqual(self.effects(), 1)

    def test_repeat_gets_status_reason_headers_and_body_of_the_first(self) -> None:
        first = self.assert_once(self.full)
        again = self.post(self.full)
        for name in [*KEPT, "Content-Type"]:
            self.assertEqual(again.headers[name], first.headers[name])
        self.assertEqual(self.effects(), 1)

    def test_repeat_gets_no_cookie_no_date_and_nothing_of_the_connection(self) -> None:
        self.assert_once(self.full)
        again = self.post(self.full)
        self.assertEqual(again.cookies, {})
        self.assertEqual({"Set-Cookie", *DROPPED} & set(again.headers), set())

    def test_repeat_without_a_content_type_gets_none(self) -> None:
        def bare(request: HttpRequest) -> HttpResponseBase:
            response = HttpResponse(status=204)
            del response["Content-Type"]
            return response

        first = self.assert_once(bare)
        self.assertNotIn("Content-Type", first.headers)
        self.assertNotIn("Content-Type", self.post(bare).headers)

    def test_compression_and_content_length_stay_right(self) -> None:
        def long(request: HttpRequest) -> HttpResponseBase:
            return text(f"{self.effect():05}" * 500)

        accepts = {"Accept-Encoding": "gzip"}
        with modify_settings(
            MIDDLEWARE={
                "prepend": ["django.middleware.gzip.GZipMiddleware", "django.middleware.common.CommonMiddleware"]
            }
        ):
            first = self.post(long, headers=accepts)
            again, plain = self.post(long, headers=accepts), self.post(long)
        self.assertEqual(again.headers["Content-Encoding"], "gzip")
        self.assertEqual(gzip.decompress(again.body), gzip.decompress(first.body))
        self.assertEqual(plain.body, gzip.decompress(first.body))
        self.assertNotIn("Content-Encoding", plain.headers)
        self.assertEqual(plain.headers["Content-Length"], "2500")

    def test_replay_headers_names_the_only_ones_replayed(self) -> None:
        with self.policy(replay_headers=["etag"]):
            self.assert_once(self.full)
            again = self.post(self.full)
        self.assertEqual(again.headers["ETag"], KEPT["ETag"])
        self.assertNotIn("Location", again.headers)

    def test_view_that_raises_is_rolled_back_and_runs_again(self) -> None:
        def broken(request: HttpRequest) -> HttpResponseBase:
            self.effect()
            if not fixed:
                raise ValueError("on purpose")
            return text("right")

        fixed: list[bool] = []
        self.assertEqual(self.post(broken).status, 500)
        self.assertEqual((self.effects(), self.records().count()), (0, 0))
        fixed.append(True)
        self.assert_once(broken)
        self.assertEqual(self.effects(), 1)

    def test_answer_5xx_is_rolled_back_and_runs_again(self) -> None:
        statuses = iter([500, 503, 200])

        def uneven(request: HttpRequest) -> HttpResponseBase:
            self.effect()
            return text("", status=next(statuses))

        self.assertEqual([self.post(uneven).status for _ in range(4)], [500, 503, 200, 200])
        self.assertEqual(self.effects(), 1)

    def test_record_all_keeps_5xx_and_its_writes(self) -> None:
        def failing(request: HttpRequest) -> HttpResponseBase:
            self.effect()
            return text("failed for good", status=502)

        with self.policy(record="all"):
            self.assert_once(failing)
        self.assertEqual(self.effects(), 1)

    def test_record_success_does_not_keep_4xx(self) -> None:
        statuses = iter([400, 200])

        def uneven(request: HttpRequest) -> HttpResponseBase:
            self.effect()
            return text("", status=next(statuses))

        with self.policy(record="success"):
            self.assertEqual([self.post(uneven).status for _ in range(3)], [400, 200, 200])
        self.assertEqual(self.effects(), 1)

    def test_answer_4xx_is_recorded_with_its_writes(self) -> None:
        def refusing(request: HttpRequest) -> HttpResponseBase:
            self.effect()
            return text("no such article", status=400)

        self.assert_once(refusing)
        self.assertEqual(self.effects(), 1)

    def test_http404_is_recorded_and_its_writes_are_rolled_back(self) -> None:
        runs: list[int] = []

        def missing(request: HttpRequest) -> HttpResponseBase:
            runs.append(self.effect())
            raise Http404("gone")

        self.assertEqual(self.assert_once(missing).status, 404)
        self.assertEqual((len(runs), self.effects()), (1, 0))

    def test_answer_marked_for_rollback_is_recorded_without_its_writes(self) -> None:
        runs: list[int] = []

        def invalid(request: HttpRequest) -> HttpResponseBase:
            runs.append(self.effect())
            transaction.set_rollback(True, using=self.database)
            return text("not valid", status=400)

        self.assert_once(invalid)
        self.assertEqual((len(runs), self.effects()), (1, 0))

    def test_success_marked_for_rollback_is_not_recorded(self) -> None:
        def undone(request: HttpRequest) -> HttpResponseBase:
            self.effect()
            transaction.set_rollback(True, using=self.database)
            return text("fine")

        for _ in range(2):
            self.assertFalse(self.post(undone).replayed)
        self.assertEqual((self.effects(), self.records().count()), (0, 0))

    def test_refusals_that_pass_are_never_recorded(self) -> None:
        for status in sorted(FLEETING):
            with self.subTest(status=status):
                self._passes(status)

    def _passes(self, status: int) -> None:
        statuses = iter([status, 200])

        def uneven(request: HttpRequest) -> HttpResponseBase:
            self.effect(what=str(status))
            return text("", status=next(statuses))

        key = f"{status:032x}"
        self.assertEqual([self.post(uneven, key=key).status for _ in range(3)], [status, 200, 200])
        self.assertEqual(self.effects(what=str(status)), 1)

    def test_permission_denied_is_not_frozen(self) -> None:
        def guarded(request: HttpRequest) -> HttpResponseBase:
            self.effect()
            if not allowed:
                raise PermissionDenied
            return text("welcome")

        allowed: list[bool] = []
        self.assertEqual(self.post(guarded).status, 403)
        self.assertEqual(self.effects(), 0)
        allowed.append(True)
        self.assert_once(guarded)

    def test_on_commit_hooks_run_once_and_not_at_a_replay(self) -> None:
        calls: list[str] = []

        def hooked(request: HttpRequest) -> HttpResponseBase:
            self.effect()
            transaction.on_commit(lambda: calls.append(f"{self.effects()}"), using=self.database)
            return text("", status=201)

        self.assert_once(hooked)
        self.assertEqual(calls, ["1"])

    def test_on_commit_hook_that_raises_is_500_and_the_repeat_a_replay(self) -> None:
        def raising() -> None:
            raise ValueError("on purpose")

        def hooked(request: HttpRequest) -> HttpResponseBase:
            self.effect()
            transaction.on_commit(raising, using=self.database)
            return text("", status=201)

        self.assertEqual(self.post(hooked).status, 500)
        again = self.post(hooked)
        self.assertEqual((again.status, again.replayed, self.effects()), (201, True, 1))
        self.assertFalse(connections[self.database].in_atomic_block)

    def test_template_is_rendered_before_the_commit(self) -> None:
        self.assert_once(self._deferred("{{ effect }}", {"effect": lambda: self.effect("rendering")}))
        self.assertEqual((self.effects(), self.effects(what="rendering")), (2, 1))

    def test_rendering_error_rolls_back(self) -> None:
        def broken() -> str:
            raise ValueError("on purpose")

        view = self._deferred("{{ broken }}", {"broken": broken})
        for _ in range(2):
            self.assertEqual(self.post(view).status, 500)
        self.assertEqual((self.effects(), self.records().count()), (0, 0))

    def _deferred(self, source: str, context: dict[str, Any]) -> Any:
        engine = DjangoTemplates({"NAME": "testing", "DIRS": [], "APP_DIRS": False, "OPTIONS": {}})
        template = engine.from_string(source)

        def deferred(request: HttpRequest) -> HttpResponseBase:
            self.effect()
            return SimpleTemplateResponse(template, context)

        return deferred
