"""Sessions under real servers: requests that overlap lose nothing, and a logout is one, whatever runs."""

from collections.abc import Callable, Iterator
from functools import partial
from uuid import uuid4

import pytest

from lengths import rounds

from .clients import at_once
from .databases import Database
from .servers import gunicorn, uvicorn
from .visitors import Browser, keeping, together

ROUNDS, LOGOUTS, ADDITIONS = rounds(4, 200), rounds(6, 200), rounds(8, 50)
CLIENTS = 8
#: Where sessions lie, and what serves.
KINDS = [("postgres", "wsgi"), ("mysql", "wsgi"), ("redis", "asgi")]
IN_STORMS = [("sqlite", "wsgi"), ("redis", "wsgi"), ("valkey", "asgi"), ("postgres", "asgi"), ("mysql", "asgi")]
KINDS += IN_STORMS[: rounds(0, len(IN_STORMS))]


@pytest.fixture(scope="module", params=KINDS, ids="-".join)
def browser(request: pytest.FixtureRequest, databases: Callable[[str], Database]) -> Iterator[Browser]:
    store, interface = request.param
    database = keeping(store, databases)
    with gunicorn(database, workers=2, threads=8) if interface == "wsgi" else uvicorn(database, workers=2) as server:
        yield Browser(server, {"wsgi": "visit", "asgi": "avisit"}[interface])
        assert "Traceback" not in server.errors()


@pytest.fixture
def visitor(browser: Browser) -> Browser:
    """A browser that is logged in."""
    visitor = Browser(browser.server, browser.view)
    assert visitor.visit("login").status == 200
    return visitor


def test_overlapping_requests_lose_no_key(visitor: Browser, tell: Callable[[str], None]) -> None:
    lost = 0
    for number in range(ROUNDS):
        meet, keys = uuid4().hex, {f"a{number}", f"b{number}"}
        together(*(partial(visitor.twin().visit, "set", key=key, meet=meet, me=key) for key in keys))
        lost += len(keys - visitor.found().keys())
    tell(f"{ROUNDS} rounds of two requests that overlap, {lost} of {2 * ROUNDS} keys lost")
    assert lost == 0


def test_additions_by_many_are_all_there(visitor: Browser) -> None:
    def add() -> None:
        for _ in range(ADDITIONS):
            assert visitor.twin().visit("add").status == 200

    at_once(CLIENTS, add)
    assert visitor.found()["n"] == CLIENTS * ADDITIONS


def test_logout_wins_over_a_request_that_runs(browser: Browser, tell: Callable[[str], None]) -> None:
    for number in range(LOGOUTS):
        visitor = Browser(browser.server, browser.view)
        visitor.visit("login")
        tab, leaving, key = visitor.twin(), visitor.twin(), visitor.key
        # By turns both have looked into the session before either goes on, and as it comes.
        query = {"meet": uuid4().hex} if number % 2 else {}
        late, left = together(
            partial(tab.visit, "set", key="late", me="tab", **query),
            partial(leaving.visit, "logout", me="leaving", **query),
        )
        assert (late.status, left.status) == (200, 200)
        again = Browser(browser.server, browser.view, key)
        assert again.found() == {}, f"alive again in round {number}"
    tell(f"{LOGOUTS} logouts beside a request that writes, each for good")
