"""What every conformance suite stands on: settings, requests sync and async, threads of their own, and counts."""

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

from asgiref.sync import async_to_sync, sync_to_async
from django.db import connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.test import AsyncClient, Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils.datastructures import CaseInsensitiveMapping

from ..idempotency.replay import REPLAYED
from ..models import RequestRecord
from .case import DatabaseCase
from .stage import VIEWS, Detail, Effect, View


@dataclass(frozen=True)
class Reply:
    """An answer, read to its end."""

    status: int
    reason: str
    headers: "CaseInsensitiveMapping[str]"
    cookies: dict[str, Any]
    body: bytes

    @property
    def replayed(self) -> bool:
        """Whether the answer says that it comes from the record."""
        return bool(self.headers.get(REPLAYED) == "true")

    def json(self) -> Any:
        """Return what the body holds."""
        return json.loads(self.body)


class Harness(DatabaseCase):
    """Mixed into TransactionTestCase: one database of effects, asked over HTTP.

    ``database`` is the alias of DATABASES whose effects are counted, ``asynchronous`` sends every
    request through the ASGI handler to an async view.
    """

    tables = (Effect, Detail)
    asynchronous: ClassVar[bool] = False
    middleware: ClassVar[list[str]] = [
        "django_dist.testing.stage.visitor_middleware",
        "django_dist.idempotency.IdempotencyMiddleware",
    ]

    def setUp(self) -> None:
        super().setUp()
        self.key = str(uuid.uuid4())
        self.place = "async" if self.asynchronous else "sync"
        settings = override_settings(
            ROOT_URLCONF="django_dist.testing.stage",
            MIDDLEWARE=self.middleware,
            ALLOWED_HOSTS=["*"],
            USE_X_FORWARDED_HOST=True,
            DIST_IDEMPOTENCY={"default": self.store()},
        )
        settings.enable()
        self.addCleanup(settings.disable)

    def store(self) -> dict[str, Any]:
        """Return the entry of DIST_IDEMPOTENCY under test; override it for a backend of your own."""
        return {
            "BACKEND": "django_dist.idempotency.database.DatabaseRequests",
            "OPTIONS": {"database": self.database},
        }

    def policy(self, **keywords: Any) -> override_settings:
        """Return a context in which the site's policy has ``keywords``."""
        return override_settings(DIST_IDEMPOTENCY={"default": {**self.store(), "POLICY": keywords}})

    def empty(self) -> None:
        """See DatabaseCase.empty(); what a view is and what is recorded go, too."""
        super().empty()
        VIEWS.clear()
        self.records().delete()

    # -- what a view does, and what came of it --

    def effect(self, what: str = "order", reference: str | None = None) -> int:
        """Leave one effect in the database."""
        return int(Effect.objects.using(self.database).create(what=what, reference=reference).pk)

    def order(self, request: HttpRequest) -> HttpResponseBase:
        """Take an order: the view of most behaviours."""
        number = self.effect()
        answer = JsonResponse({"order": number}, status=201, reason="Taken")
        answer["Location"] = f"/orders/{number}"
        return answer

    def idle(self, request: HttpRequest) -> HttpResponseBase:
        """Do nothing."""
        return text("idle")

    def effects(self, **which: Any) -> int:
        """Return how many effects have lasted."""
        return Effect.objects.using(self.database).filter(**which).count()

    def records(self) -> Any:
        """Return the records there are."""
        return RequestRecord.objects.using(self.database)

    # -- requests --

    def post(
        self,
        view: View | None = None,
        *,
        key: str | None = "",
        path: str = "",
        place: str | None = None,
        method: str = "POST",
        body: bytes = b'{"item": 1}',
        content_type: str = "application/json",
        headers: dict[str, str] | None = None,
        visitor: str | None = None,
        raises: bool = False,
        csrf: bool = False,
    ) -> Reply:
        """Send one request to ``view`` and read the answer to its end.

        ``key`` "" is the test's own, None is none; an error of the view is a 500 unless ``raises``.
        """
        view = view or self.order
        VIEWS[view.__name__] = view
        sent = dict(headers or {})
        if key is not None:
            sent.setdefault("Idempotency-Key", key or self.key)
        if visitor is not None:
            sent["X-Visitor"] = visitor
        place = place or self.place
        if self.asynchronous and place in ("required", "bare", "exempt"):
            place = f"a{place}"
        url = f"/{place}/{view.__name__}/{path}"
        keywords: dict[str, Any] = {"raise_request_exception": raises, "enforce_csrf_checks": csrf}
        client = AsyncClient(**keywords) if self.asynchronous else Client(**keywords)
        client.cookies.load(sent.pop("Cookie", ""))
        if isinstance(client, AsyncClient):
            return async_to_sync(_asend)(client, method, url, body, content_type, sent)
        response = client.generic(method, url, body, content_type, headers=sent)
        return _read(response, b"".join(response) if response.streaming else response.content)

    # -- what must hold --

    def assert_problem(self, reply: Reply, status: int, kind: str) -> None:
        """Assert that ``reply`` is the refusal ``kind``, as problem details of RFC 9457."""
        self.assertEqual(reply.status, status, reply.body)
        self.assertEqual(reply.headers["Content-Type"], "application/problem+json")
        problem = reply.json()
        self.assertEqual(problem["type"], f"urn:django-dist:problem:{kind}")
        self.assertEqual(problem["status"], status)
        self.assertTrue(problem["title"] and problem["detail"])

    def assert_again(self, reply: Reply, first: Reply) -> None:
        """Assert that ``reply`` is ``first`` once more, and says so."""
        self.assertTrue(reply.replayed, f"ran again: {reply}")
        self.assertEqual((reply.status, reply.reason, reply.body), (first.status, first.reason, first.body))

    def assert_once(self, view: View | None = None, **request: Any) -> Reply:
        """Assert that a request and its repeat are one; return the first answer."""
        first = self.post(view, **request)
        self.assertFalse(first.replayed)
        self.assert_again(self.post(view, **request), first)
        return first

    def assert_anew(self, view: View | None = None, **request: Any) -> Reply:
        """Assert that the view runs, and nothing is told from a record; return the answer."""
        reply = self.post(view, **request)
        self.assertFalse(reply.replayed, f"replayed: {reply}")
        self.assertLess(reply.status, 300, reply.body)
        return reply

    @contextmanager
    def assert_silent(self) -> Iterator[None]:
        """Assert that no statement is sent to the database, BEGIN and COMMIT included."""
        with CaptureQueriesContext(connections[self.database]) as seen:
            yield
        self.assertEqual([query["sql"] for query in seen.captured_queries], [])


async def _asend(
    client: AsyncClient, method: str, url: str, body: bytes, content_type: str, sent: dict[str, str]
) -> Reply:
    response: Any = await client.generic(method, url, body, content_type, headers=sent)
    if not response.streaming:
        return _read(response, response.content)
    if response.is_async:
        return _read(response, b"".join([chunk async for chunk in response]))
    return _read(response, await sync_to_async(b"".join)(response))


def _read(response: Any, body: bytes) -> Reply:
    cookies = {name: morsel.value for name, morsel in response.cookies.items()}
    reply = Reply(
        response.status_code, response.reason_phrase, CaseInsensitiveMapping(dict(response.items())), cookies, body
    )
    response.close()
    return reply


def text(body: str, **keywords: Any) -> HttpResponse:
    """Return a plain answer."""
    return HttpResponse(body, content_type="text/plain", **keywords)
