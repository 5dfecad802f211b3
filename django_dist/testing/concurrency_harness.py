"""What the concurrency suite stands on: tables of its own, and a second connection."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from django.db import connections, models
from django.test.utils import CaptureQueriesContext

from .case import DatabaseCase
from .concurrency_models import TABLES

PATIENCE_S = 60  # after which a thread that should have come is given up


class ConcurrencyHarness(DatabaseCase):
    """Mixed into TransactionTestCase; ``database`` is the alias of DATABASES under test."""

    tables = TABLES

    def rows(self, model: type[models.Model]) -> Any:
        """Return the rows of ``model`` in the database under test."""
        return model._default_manager.using(self.database)

    def make(self, model: type[models.Model], **values: Any) -> Any:
        """Insert a row and read it."""
        return self.rows(model).get(pk=self.rows(model).create(**values).pk)

    def again(self, instance: models.Model) -> Any:
        """Return the row of ``instance`` as another reader sees it."""
        return self.rows(type(instance)).get(pk=instance.pk)

    def statements(self, function: Callable[[], Any]) -> int:
        """Return how many statements ``function`` sends."""
        with CaptureQueriesContext(connections[self.database]) as captured:
            function()
        return len(captured)

    def elsewhere(self, function: Callable[[], Any]) -> Any:
        """Run ``function`` over a connection of its own, to its end; return what it returns or raise what it raises."""
        return self.at_once([function])[0]

    def at_once(self, functions: Sequence[Callable[[], Any]]) -> list[Any]:
        """Run each of ``functions`` in a thread with a connection of its own; they begin together."""
        barrier = threading.Barrier(len(functions))

        def run(function: Callable[[], Any]) -> Any:
            barrier.wait(PATIENCE_S)
            return function()

        futures = [self.aside(run, function) for function in functions]
        return [future.result(PATIENCE_S) for future in futures]
