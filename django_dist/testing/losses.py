"""Conformance: the session ends or the line is cut while the view runs; nothing is done, and it is told."""

from collections.abc import AsyncIterator, Callable, Iterator

from asgiref.sync import sync_to_async
from django.db import DatabaseError, OperationalError, connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from .case import PATIENCE_S
from .faults import end_when_idle, kill, proxied, session_of
from .harness import Harness, Reply, text
from .stage import View


class ShopError(Exception):
    """An error of the site's own."""


class Losses(Harness):
    """Row of the table: nothing recorded, effects rolled back; the error is the loss of the store."""

    def setUp(self) -> None:
        super().setUp()
        self.ends: list[Callable[[], None]] = []

    def test_line_cut_in_the_view_is_503_and_the_repeat_runs(self) -> None:
        def order(request: HttpRequest) -> HttpResponseBase:
            proxy.cut_at = b"INSERT"
            return self.order(request)

        with proxied(self.database) as proxy:
            self.assert_lost(self.post(order))
        self.assert_once()
        self.assertEqual(self.effects(), 1)

    def test_session_that_the_server_ends_in_the_view_is_503_and_the_repeat_runs(self) -> None:
        self.assert_loss_is_told(self.losing(self.killed))

    def test_session_that_ends_by_its_own_time_out_is_503_and_the_repeat_runs(self) -> None:
        self.assert_loss_is_told(self.losing(lambda: end_when_idle(self.database)))

    def test_loss_in_an_error_of_the_views_own_is_503(self) -> None:
        losing = self.losing(self.killed)

        def wrapping(request: HttpRequest) -> HttpResponseBase:
            try:
                return losing(request)
            except DatabaseError as error:
                raise ShopError("the order was not taken") from error

        self.assert_loss_is_told(wrapping)

    def test_loss_in_a_stream_is_503_and_the_repeat_runs(self) -> None:
        losing = self.losing(self.killed)

        def chunks(request: HttpRequest) -> Iterator[bytes]:
            yield b"taken"
            yield losing(request).content

        def stream(request: HttpRequest) -> HttpResponseBase:
            return StreamingHttpResponse(chunks(request))

        self.assert_loss_is_told(stream)

    def test_loss_in_an_async_stream_is_503_and_the_repeat_runs(self) -> None:
        losing = sync_to_async(self.losing(self.killed))

        async def chunks(request: HttpRequest) -> AsyncIterator[bytes]:
            yield b"taken"
            yield (await losing(request)).content

        async def stream(request: HttpRequest) -> HttpResponseBase:
            return StreamingHttpResponse(chunks(request))

        if not self.asynchronous:
            self.skipTest("an async stream is for ASGI")
        self.assert_loss_is_told(stream)

    def test_loss_that_the_view_does_not_see_is_503_of_unknown_outcome(self) -> None:
        def unaware(request: HttpRequest) -> HttpResponseBase:
            answer = self.order(request)
            if self.ends:
                self.ends.pop()()
            return answer

        for end in (self.killed, lambda: end_when_idle(self.database)):
            self.skip_where_no_session()
            self.ends.append(end)
            self.assert_problem(self.post(unaware), 503, "outcome-unknown")
            self.assertEqual((self.effects(), self.records().count()), (0, 0))
        self.assert_once(unaware)

    def test_other_errors_of_the_database_are_the_views_own(self) -> None:
        def failing(request: HttpRequest) -> HttpResponseBase:
            self.effect()
            raise OperationalError("of another database")

        self.assertEqual(self.post(failing).status, 500)

    def losing(self, end: Callable[[], None]) -> Callable[[HttpRequest], HttpResponse]:
        """Return a view that takes an order, loses its session once, and goes on to write."""
        self.ends.append(end)

        def losing(request: HttpRequest) -> HttpResponse:
            self.effect()
            if self.ends:
                self.ends.pop()()
            self.effect()
            return text("done", status=201)

        return losing

    def killed(self) -> None:
        """End the session of this thread from another."""
        self.aside(kill, self.database, session_of(self.database)).result(PATIENCE_S)

    def assert_loss_is_told(self, view: View) -> None:
        """Assert that the loss is told, nothing is left of it, and the repeat runs at once."""
        self.skip_where_no_session()
        self.assert_lost(self.post(view))
        self.assertEqual((self.effects(), self.records().count()), (0, 0))
        self.assert_once(view)
        self.assertEqual(self.effects(), 2)

    def assert_lost(self, reply: Reply) -> None:
        """Assert the refusal that says that nothing was done."""
        self.assert_problem(reply, 503, "store-unavailable")
        self.assertEqual(reply.headers["Retry-After"], "1")

    def skip_where_no_session(self) -> None:
        """Skip where no server keeps a session that it could end."""
        if connections[self.database].vendor == "sqlite":
            self.skipTest("SQLite has no server to lose")
