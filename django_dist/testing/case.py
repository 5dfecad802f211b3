"""What every suite over a database stands on: tables of its own, threads of their own, and nothing left behind."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, ClassVar

from django.db import DEFAULT_DB_ALIAS, connections, models
from django.test import TransactionTestCase

if TYPE_CHECKING:
    Base = TransactionTestCase
else:
    Base = object
PATIENCE_S = 10  # after which a thread that should have come is given up


class DatabaseCase(Base):
    """Mixed into TransactionTestCase: ``database`` is the alias of DATABASES under test."""

    database: ClassVar[str] = DEFAULT_DB_ALIAS
    #: What is made for the class and emptied after each test; what refers to another comes after it.
    tables: ClassVar[Sequence[type[models.Model]]] = ()

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls.databases = {DEFAULT_DB_ALIAS, cls.database}

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        with connections[cls.database].schema_editor() as editor:
            for table in cls.tables:
                editor.create_model(table)
        cls.addClassCleanup(cls._drop)

    @classmethod
    def _drop(cls) -> None:
        with connections[cls.database].schema_editor() as editor:
            for table in reversed(cls.tables):
                editor.delete_model(table)

    def setUp(self) -> None:
        super().setUp()
        self._threads: list[threading.Thread] = []
        self.addCleanup(self._clean)

    def _clean(self) -> None:
        for thread in self._threads:
            thread.join(PATIENCE_S)
        connection = connections[self.database]
        left_open = connection.in_atomic_block
        if left_open:  # must not spoil the next test
            connection.close()
            del connections[self.database]
        self.empty()
        self.assertFalse(left_open, "a transaction was left open")

    def empty(self) -> None:
        """Take out what a test has written."""
        for table in reversed(self.tables):
            table._base_manager.using(self.database).all()._raw_delete(self.database)

    def aside(self, call: Callable[..., Any], *args: Any, **keywords: Any) -> "Future[Any]":
        """Run ``call`` on a thread of its own, with connections of its own."""
        future: Future[Any] = Future()

        def work() -> None:
            try:
                future.set_result(call(*args, **keywords))
            except BaseException as error:  # noqa: BLE001  (raised by result())
                future.set_exception(error)
            finally:
                connections.close_all()

        thread = threading.Thread(target=work, daemon=True)
        self._threads.append(thread)
        thread.start()
        return future

    def skip_unless_shared(self) -> None:
        """Skip where a thread cannot have a connection of its own: SQLite in memory."""
        connection = connections[self.database]
        if connection.vendor == "sqlite" and connection.is_in_memory_db():  # type: ignore[attr-defined]
            self.skipTest("threads share the one connection of a SQLite database in memory: give TEST NAME a file")
