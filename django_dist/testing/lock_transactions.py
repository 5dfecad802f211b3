"""What a lock in a transaction is promised: it is seen at once, and released when the outermost one has ended."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from typing import Any

from asgiref.sync import async_to_sync, sync_to_async
from django.db import DatabaseError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from ..dedupe import once
from ..exceptions import LockLost, LockTimeout
from ..locks.database import DatabaseLocks
from ..models import DedupeEntry
from .case import DatabaseCase
from .lock_harness import PATIENCE_S, SHORT_S, LockHarness
from .lock_leases import Odd
from .stage import Effect

THREADS, INCREMENTS = 4, 25


class LockTransactionConformance(LockHarness, DatabaseCase):
    """Mix this into a TransactionTestCase: ``database`` is the alias of the transactions, make_backend() the store."""

    tables = (Effect,)

    def setUp(self) -> None:
        super().setUp()
        self.skip_unless_shared()

    def empty(self) -> None:
        """See DatabaseCase.empty(); what is claimed goes, too."""
        super().empty()
        DedupeEntry.objects.using(self.database).all()._raw_delete(self.database)

    @property
    def connection(self) -> BaseDatabaseWrapper:
        """This thread's connection."""
        return connections[self.database]

    @property
    def joins(self) -> bool:
        """Whether a lock in a transaction is part of it, and ends with it; a subclass may say so."""
        return self.alone

    @property
    def alone(self) -> bool:
        """Whether a lock in a transaction is one in SQLite, which has one writer at a time."""
        return self.one_writer and isinstance(self.locks, DatabaseLocks)

    @property
    def one_writer(self) -> bool:
        """Whether a second transaction cannot even begin."""
        return self.connection.vendor == "sqlite"

    def atomic(self) -> Any:
        """Return a transaction."""
        return transaction.atomic(using=self.database)

    def effect(self, what: str = "done") -> Effect:
        """Write something."""
        return Effect.objects.using(self.database).create(what=what)

    def effects(self) -> int:
        """Return how much has been written."""
        return Effect.objects.using(self.database).count()

    def refused(self) -> bool:
        """Return whether another thread is refused now."""
        return not self.elsewhere(self.is_free)

    @contextmanager
    def inside(self, **options: Any) -> Iterator[None]:
        """Write under the lock, and check that it is still held when the block is left."""
        with self.lock(**options) as lease:
            self.assertTrue(self.refused())
            self.effect()
            yield
        self.assertTrue((self.joins or lease.held()) and self.refused())

    def test_lock_is_held_until_the_commit(self) -> None:
        with self.atomic(), self.inside():
            pass
        self.assertEqual((self.refused(), self.effects()), (False, 1))

    def test_lock_is_held_until_the_rollback(self) -> None:
        with self.assertRaises(Odd), self.atomic():
            with self.inside():
                pass
            raise Odd
        self.assertEqual((self.refused(), self.effects()), (False, 0))

    def test_error_in_the_block_rolls_back_before_the_lock_is_free(self) -> None:
        lease = None
        with self.assertRaises(Odd), self.atomic(), self.atomic():
            with self.assertRaises(Odd), self.lock() as lease:
                raise Odd
            self.assertTrue((self.joins or lease.held()) and self.refused())
            raise Odd
        self.assertFalse(self.refused())

    def test_lock_is_held_until_the_end_of_the_outermost_block(self) -> None:
        with self.atomic():
            with self.atomic(), self.inside():
                pass
            self.assertTrue(self.refused())
        self.assertFalse(self.refused())

    def test_rollback_to_a_savepoint_does_not_free_the_lock(self) -> None:
        with self.atomic():
            with self.assertRaises(Odd), self.atomic():
                with self.inside():
                    pass
                raise Odd
            self.assertTrue(self.refused())
            self.effect()
        self.assertEqual((self.refused(), self.effects()), (False, 1))

    def test_lock_around_a_transaction_is_free_at_its_end(self) -> None:
        with self.lock():
            with self.atomic():
                self.effect()
            self.assertTrue(self.refused())
        self.assertFalse(self.refused())

    def test_lock_that_is_left_in_a_transaction_is_held_until_its_end(self) -> None:
        stack = ExitStack()
        stack.enter_context(self.lock())
        with self.atomic():
            self.effect()
            stack.close()
            self.assertTrue(self.refused())
        self.assertFalse(self.refused())

    def test_release_now_does_not_wait(self) -> None:
        if self.joins:
            self.skipTest("it ends with the transaction")
        with self.atomic():
            self.effect()
            with self.lock(release="now"):
                self.assertTrue(self.refused())
            self.assertFalse(self.refused())

    def test_lock_may_be_entered_again_before_the_commit(self) -> None:
        with self.atomic():
            with self.lock() as first:
                self.effect()
            with self.lock(wait=0) as again:
                self.assertTrue(again.held() and again.depth == 1)
                self.assertTrue(again.fence > first.fence if self.joins else again.fence == first.fence)
            self.assertTrue(self.refused())
        self.assertFalse(self.refused())

    def test_closed_connection_frees_the_lock(self) -> None:
        with self.assertRaises(Odd), self.atomic():
            with self.lock():
                self.effect()
            self.connection.close()
            self.assertFalse(self.refused())
            raise Odd
        self.assertEqual((self.refused(), self.effects()), (False, 0))

    def test_error_of_the_database_leaks_nothing(self) -> None:
        with self.assertRaises(DatabaseError), self.atomic(), self.lock(), self.connection.cursor() as cursor:
            cursor.execute("SELECT no_such_column FROM django_dist_lock")
        self.assertFalse(self.refused())
        with self.assertRaises(DatabaseError), self.lock(), self.atomic(), self.connection.cursor() as cursor:
            cursor.execute("SELECT no_such_column FROM django_dist_lock")
        self.assertFalse(self.refused())

    def test_transaction_whose_lock_was_lost_is_not_committed(self) -> None:
        if self.joins:
            self.skipTest("it is not lost before the transaction is")
        with self.assertRaises(LockLost), self.atomic():
            with self.lock(ttl=SHORT_S, renew=False) as lease:
                self.effect()
            self.until(lambda: not lease.held())
            self.assertEqual(self.effects(), 1)
        self.assertEqual(self.effects(), 0)
        with self.atomic():  # the connection is as it was
            self.effect()
        self.assertEqual(self.effects(), 1)

    def test_hooks_of_the_commit_come_after_the_release(self) -> None:
        seen: list[bool] = []

        def hook() -> None:
            seen.append(self.refused())
            raise Odd

        with self.assertRaises(Odd), self.atomic(), self.inside():
            transaction.on_commit(hook, using=self.database)
        self.assertEqual(seen, [False])

    def test_transaction_without_atomic_holds_the_lock_until_it_ends(self) -> None:
        for end in (self.connection.commit, self.connection.rollback):
            self.connection.set_autocommit(False)
            try:
                with self.lock():
                    self.effect()
                self.assertTrue(self.refused())
                getattr(self.connection, end.__name__)()
            finally:
                self.connection.set_autocommit(True)
            self.assertFalse(self.refused())
        self.assertEqual(self.effects(), 1)

    def test_wait_in_a_transaction_is_as_long_as_was_asked(self) -> None:
        def enter() -> None:
            # On SQLite not even a transaction could begin.
            with nullcontext() if self.one_writer else self.atomic(), self.lock(wait=SHORT_S):
                self.fail("two holders")

        with self.atomic(), self.inside(), self.assertRaises(LockTimeout):
            self.elsewhere(enter)

    def test_transaction_does_not_wait_where_the_holder_could_not_release(self) -> None:
        if not self.alone:
            self.skipTest("of SQLite, which has one writer at a time")
        self.grant()
        with self.atomic():
            self.effect()
            with self.assertRaisesRegex(LockTimeout, "before the transaction"), self.lock(wait=PATIENCE_S):
                self.fail("two holders")
        self.assertEqual(self.effects(), 1)

    def test_increments_in_transactions_add_up(self) -> None:
        self.effect("0")

        def count(order: Callable[[], Any]) -> None:
            for _ in range(INCREMENTS):
                with order():
                    row = Effect.objects.using(self.database).get()
                    row.what = str(int(row.what) + 1)
                    row.save(using=self.database)

        for order in (self._locked_inside, self._locked_around):
            for future in [self.aside(count, order) for _ in range(THREADS)]:
                future.result(2 * PATIENCE_S)
        self.assertEqual(Effect.objects.using(self.database).get().what, str(2 * THREADS * INCREMENTS))

    @contextmanager
    def _locked_inside(self) -> Iterator[None]:
        with self.atomic(), self.lock():
            yield

    @contextmanager
    def _locked_around(self) -> Iterator[None]:
        with self.lock(), self.atomic():
            yield

    def test_lock_of_a_coroutine_is_held_until_its_transaction_has_ended(self) -> None:
        @once("mail", key=str, using=self.database)
        async def handle(message: str) -> None:
            async with self.lock() as lease:
                pass
            self.assertTrue(self.joins or lease.held())
            self.assertTrue(await sync_to_async(self.refused, thread_sensitive=False)())

        async_to_sync(handle)("a message")
        self.assertFalse(self.refused())
