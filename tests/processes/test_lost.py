"""A connection to the database that is lost: during COMMIT, and while the request is claimed."""

from collections.abc import Callable

import pytest

from lengths import rounds

from .clients import new_order
from .databases import Database
from .proxy import relayed
from .servers import gunicorn, uvicorn

SERVERS = {
    "gunicorn": ("sync/usual", lambda database: gunicorn(database, workers=1)),
    "uvicorn": ("async/usual", uvicorn),
}
CLAIM = {"postgresql": b"PG_TRY_ADVISORY_XACT_LOCK", "mysql": b"INTO DJANGO_DIST_REQUEST"}
COMMIT = {"postgresql": b"COMMIT\0", "mysql": b"\3COMMIT"}  # as the protocols frame it
both = pytest.mark.parametrize("database", ["postgres", "mysql"], indirect=True)


@both
@pytest.mark.parametrize("kind", SERVERS)
@pytest.mark.parametrize("delivered", [False, True])
def test_commit_whose_answer_is_lost_is_found_out_by_the_retry(
    database: Database, kind: str, delivered: bool, tell: Callable[[str], None]
) -> None:
    path, serve = SERVERS[kind]
    count = rounds(3, 30)
    with relayed(database) as (seen, proxy), serve(seen) as server:
        assert server.post(path, new_order()).status == 201
        for _ in range(count):
            order = new_order()
            proxy.arm(COMMIT[database.vendor], delivered=delivered)
            lost = server.post(path, order)
            assert (lost.status, lost.problem) == (503, "outcome-unknown")
            assert lost.headers["retry-after"]
            retry = server.post(path, order)
            assert (retry.status, retry.replayed) == (201, delivered)
            assert database.effects(order) == 1
        assert proxy.cuts == count
    tell(f"{count} COMMITs lost, effects expected and counted {count}")


@both
@pytest.mark.parametrize("kind", SERVERS)
def test_claim_that_is_lost_is_refused_before_the_view(database: Database, kind: str) -> None:
    path, serve = SERVERS[kind]
    with relayed(database) as (seen, proxy), serve(seen) as server:
        assert server.post(path, new_order()).status == 201
        order = new_order()
        proxy.arm(CLAIM[database.vendor], delivered=False)
        lost = server.post(path, order)
        assert (lost.status, lost.problem) == (503, "store-unavailable")
        assert proxy.cuts == 1
        assert server.notes("ran", order) == []
        assert server.post(path, order).status == 201
        assert database.effects(order) == 1


@both
@pytest.mark.parametrize("kind", SERVERS)
def test_connection_lost_in_the_view_leaves_nothing(database: Database, kind: str) -> None:
    path, serve = SERVERS[kind]
    with relayed(database) as (seen, proxy), serve(seen) as server:
        assert server.post(path, new_order()).status == 201
        order = new_order()
        proxy.arm(b"LEDGER_EFFECT", delivered=True)
        lost = server.post(path, order)
        assert (lost.status, lost.problem) == (503, "store-unavailable")
        retry = server.post(path, order)
        assert (retry.status, retry.replayed) == (201, False)
        assert database.effects(order) == 1
