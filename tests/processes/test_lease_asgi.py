"""Mode lease under ASGI: a client that leaves cancels the task, and the lease stays with the thread that works on."""

from collections.abc import Callable
from functools import partial

import pytest

from lengths import rounds

from .clients import new_order, until
from .databases import Database
from .servers import uvicorn
from .test_leases import calls, go_on

RENEWALS = 4  # more than a lease lasts


@pytest.mark.parametrize("database", ["postgres", "mysql", "sqlite"], indirect=True)
def test_lease_is_let_go_only_when_the_thread_of_the_view_has_ended(
    database: Database, tell: Callable[[str], None]
) -> None:
    count = rounds(2, 30)
    with uvicorn(database) as server:
        for _ in range(count):
            order = new_order()
            at_work = partial(until, partial(server.notes, "stands", order), "the view at work")
            server.leave("lease/hasty", order, at_work, wait="before-ship")
            ends = set()

            def renewed(ends: set[object] = ends) -> bool:
                ends.update(database.rows("SELECT owner, leased_until FROM django_dist_request WHERE state = 0"))
                return len(ends) > RENEWALS

            until(renewed, "renewals after the client has left", every=0.05)
            assert len({owner for owner, _ in ends}) == 1
            refused = server.post("lease/hasty", order)
            assert (refused.status, refused.problem) == (409, "in-progress")
            assert len(server.notes("ran", order)) == 1
            go_on(server, order)
            reply = server.insist("lease/hasty", order)
            assert calls(server, "called", order) == [1, 1, 1]
            assert database.effects(order) == 1
            assert len(server.notes("ran", order)) == (1 if reply.replayed else 2)
        assert "Traceback" not in server.errors()
    tell(f"{count} clients left, the lease stayed with the view, effects expected and counted {count}")
