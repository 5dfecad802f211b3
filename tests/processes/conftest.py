"""Databases for the whole run, one a store, and a voice that is heard without -s."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

import services

from .databases import Database, made


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Database]]:
    """Give the database in a store, made when first asked for."""
    with ExitStack() as stack:
        ready: dict[str, Database] = {}

        def of(store: str) -> Database:
            if store != "sqlite" and (why := services.missing(store)):
                pytest.skip(why)
            if store not in ready:
                ready[store] = stack.enter_context(made(store, tmp_path_factory.mktemp(store)))
            return ready[store]

        yield of


@pytest.fixture(scope="module")
def database(request: pytest.FixtureRequest, databases: Callable[[str], Database]) -> Database:
    """Give the database in the store that the test names by its parameter."""
    return databases(request.param)


@pytest.fixture
def tell(capsys: pytest.CaptureFixture[str], request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Print what a storm came to, whether the test passes or not."""

    def say(text: str) -> None:
        with capsys.disabled():
            print(f"\n  {request.node.name}: {text}", flush=True)

    return say
