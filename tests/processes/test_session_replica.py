"""A replica of PostgreSQL that is held back: a login is seen at once, and a logout as well."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from services import needs

from .clients import until
from .databases import Database, migrate
from .replicas import Cluster, replicated
from .servers import Server, gunicorn
from .visitors import Browser, with_sessions

LSN = "SELECT pg_current_wal_lsn()::text"


@pytest.fixture(scope="module")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, Cluster]]:
    with replicated() as (primary, replica):
        migrate(Database("postgresql", primary.settings), tmp_path_factory.mktemp("replicated"))
        yield primary, replica


def ledger(clusters: tuple[Cluster, Cluster], **options: object) -> Database:
    primary, replica = clusters
    database = with_sessions(Database("postgresql", primary.settings), **options)
    return replace(database, replica=replica.settings)


def caught_up(clusters: tuple[Cluster, Cluster]) -> None:
    primary, replica = clusters
    there = primary.ask(LSN)
    until(lambda: replica.ask(f"SELECT pg_last_wal_replay_lsn() >= '{there}'"), "a replica that has all")


def login(server: Server) -> Browser:
    visitor = Browser(server)
    assert visitor.visit("login").status == 200
    return visitor


@needs("postgres")
def test_held_back_replica_hides_no_login_and_keeps_no_logout(clusters: tuple[Cluster, Cluster]) -> None:
    _, replica = clusters
    with gunicorn(ledger(clusters), workers=2) as one, gunicorn(ledger(clusters), workers=2) as other:
        before = login(one)
        caught_up(clusters)
        replica.ask("SELECT pg_wal_replay_pause()")
        try:
            fresh = login(one)
            for visitor in (before, fresh):
                tab = Browser(other, key=visitor.key)
                reply = tab.visit("read")
                assert (json.loads(reply.body), "set-cookie" in reply.headers) == ({"user": "alice"}, False)
                assert visitor.visit("logout").status == 200
                for node in (one, other):
                    assert Browser(node, key=tab.key).found() == {}
        finally:
            replica.ask("SELECT pg_wal_replay_resume()")
        assert "Traceback" not in one.errors() + other.errors()


@needs("postgres")
def test_reads_of_a_replica_are_as_late_as_it_is_and_write_nothing_back(clusters: tuple[Cluster, Cluster]) -> None:
    """What the option costs, as the guarantees say; and that a miss asks the primary."""
    primary, replica = clusters
    with gunicorn(ledger(clusters, replica_reads=True), workers=2) as server:
        before = login(server)
        caught_up(clusters)
        replica.ask("SELECT pg_wal_replay_pause()")
        try:
            assert login(server).found() == {"user": "alice"}, "a miss asks the primary"
            tab = before.twin()
            assert before.visit("logout").status == 200
            assert tab.found() == {"user": "alice"}, "the replica does not know"
            late = tab.visit("set", key="late")
            assert (late.status, "set-cookie" in late.headers) == (200, False)
            assert primary.ask("SELECT count(*) FROM django_dist_session") == 1, "written back"
        finally:
            replica.ask("SELECT pg_wal_replay_resume()")
        until(lambda: tab.found() == {}, "the logout")
        assert "Traceback" not in server.errors()
