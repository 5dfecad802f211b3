"""Behind PgBouncer in transaction mode, where every transaction may have another connection."""

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from lengths import rounds
from services import needs

from .bouncer import bounced
from .clients import new_order, until
from .databases import Database
from .servers import Server, gunicorn
from .test_races import judge, race

pytestmark = [needs("postgres", "pgbouncer"), pytest.mark.parametrize("database", ["postgres"], indirect=True)]


@pytest.fixture(scope="module")
def server(database: Database) -> Iterator[Server]:
    with bounced(database) as seen, gunicorn(seen, workers=2, threads=11) as server:
        yield server


@pytest.fixture(autouse=True)
def nothing_left(database: Database) -> Iterator[None]:
    yield
    until(lambda: not database.left_open(), "the end of all transactions and locks")


def test_twenty_at_once_take_effect_once(server: Server, database: Database, tell: Callable[[str], None]) -> None:
    total: Counter[int] = Counter()
    count = rounds(5, 50)
    for _ in range(count):
        replies, ran = race(server, database, 20, "sync/usual", pause="0.05")
        judge(replies, {409})
        assert ran == 1
        total.update(reply.status for reply in replies)
    tell(f"{count} rounds, effects expected and counted {count}, answers {dict(total)}")


def test_one_waiter_runs_after_the_first_has_failed(
    server: Server, database: Database, tell: Callable[[str], None]
) -> None:
    count = rounds(3, 30)
    for _ in range(count):
        replies, ran = race(server, database, 20, "sync/usual", pause="0.05", fail="first")
        judge([reply for reply in replies if reply.status != 500], {409})
        assert ran == 2
    tell(f"{count} rounds, effects expected and counted {count}")


def test_kill_in_the_view_is_rolled_back(server: Server, database: Database) -> None:
    for point in ("view", "record", "committed"):
        order = new_order()
        assert server.post("sync/usual", order, die=point).status == 0
        assert server.insist("sync/usual", order).replayed == (point == "committed")
        assert database.effects(order) == 1
