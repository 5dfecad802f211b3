"""What locks in a database come to there: statements, purges, clocks, and names by the thousand."""

import time
import unittest
from unittest.mock import patch

from django.db import OperationalError, connections, transaction
from django.test import TransactionTestCase
from django.test.utils import CaptureQueriesContext

from django_dist.clock import StoreTime
from django_dist.exceptions import BackendUnavailable, InvalidBackend, LockTimeout
from django_dist.idempotency.digests import digest_of
from django_dist.locks import lock
from django_dist.locks.database import DatabaseLocks
from django_dist.locks.sql.base import KEPT_S
from django_dist.models import StoredLock
from services import needs

MANY = 100_000


class OnADatabase:
    database = "default"

    def setUp(self):
        self.locks = DatabaseLocks(alias="test", database=self.database)

    def rows(self):
        return StoredLock.objects.using(self.database)

    def statements(self):
        """Count what is sent on this thread's connection."""
        return CaptureQueriesContext(connections[self.database])

    def sent(self, seen):
        return [query["sql"] for query in seen.captured_queries if "PRAGMA" not in query["sql"]]

    def test_acquire_and_release_are_one_statement_each_and_no_transaction(self):
        for _ in range(2):
            with self.statements() as seen, lock("a", using=self.locks):
                self.assertEqual(len(self.sent(seen)), 1)
            self.assertEqual(len(self.sent(seen)), 2, self.sent(seen))
            self.assertFalse([sql for sql in self.sent(seen) if "BEGIN" in sql or "COMMIT" in sql])

    def test_refusal_and_entering_again_cost_no_more(self):
        self.locks.try_acquire("a", "another", 30)
        with self.statements() as seen, self.assertRaises(LockTimeout), lock("a", wait=0, using=self.locks):
            self.fail("two holders")
        self.assertEqual(len(self.sent(seen)), 2 if self.database == "default" else 1)
        with lock("b", using=self.locks), self.statements() as seen, lock("b", using=self.locks) as lease:
            lease.held()
        self.assertEqual(self.sent(seen), [])

    def test_fence_passes_that_of_a_purged_lock(self):
        fences = []
        for _ in range(3):
            with lock("a", using=self.locks) as lease:
                fences.append(lease.fence)
            self.age(KEPT_S + 1)
            while not self.locks.expired():  # a clock of milliseconds has not passed the fence yet
                pass
            self.assertEqual((self.locks.purge(10), self.rows().count()), (1, 0))
        self.assertEqual(fences, sorted(set(fences)))

    def age(self, seconds):
        """Let all locks have ended so many seconds ago."""
        self.rows().update(expires_at=StoreTime(-seconds))

    def test_purge_takes_what_nobody_has_held_for_long_and_nothing_else(self):
        for name in "abcd":
            with lock(name, using=self.locks):
                pass
        self.age(KEPT_S + 1)
        with lock("b", using=self.locks):  # held
            self.rows().filter(digest=digest_of(["lock", "c"])).update(expires_at=StoreTime(-KEPT_S + 60))  # too young
            self.rows().filter(digest=digest_of(["lock", "d"])).update(fence=2**60)  # granted by a clock ahead of ours
            self.assertEqual((self.locks.expired(), self.locks.purge(10), self.locks.purge(10)), (1, 1, 0))
        self.assertEqual(sorted(str(row) for row in self.rows().all()), ["b", "c", "d"])

    def test_purge_takes_no_more_than_a_batch(self):
        for number in range(5):
            self.locks.release(f"a{number}", "o", self.locks.try_acquire(f"a{number}", "o", 1).fence)
        self.age(KEPT_S + 1)
        self.assertEqual([self.locks.purge(2) for _ in range(4)], [2, 2, 1, 0])

    def test_fence_grows_though_the_clock_goes_back(self):
        ahead = 2**60
        self.locks.try_acquire("a", "one", 1)
        self.rows().update(fence=ahead, owner=None)
        self.assertEqual(self.locks.try_acquire("a", "two", 1).fence, ahead + 1)

    def test_clock_of_the_application_changes_nothing(self):
        real_ns, real = time.time_ns, time.time
        with lock("a", using=self.locks) as lease:
            for hours in (-1, 1):
                off = hours * 3600
                with (
                    patch.object(time, "time", lambda off=off: real() + off),
                    patch.object(time, "time_ns", lambda off=off: real_ns() + off * 10**9),
                ):
                    tried = self.locks.try_acquire("a", "another", 30)
                    self.assertIsNone(tried.fence)
                    self.assertTrue(0 < tried.left <= 30)
                    self.assertTrue(lease.held() and self.locks.check("a", lease.owner, lease.fence))
        self.assertGreater(self.locks.try_acquire("a", "another", 30).fence, lease.fence)

    def test_database_that_does_not_answer_is_told_and_nothing_is_held(self):
        with (
            patch.object(self.locks.plan, "acquire", side_effect=OperationalError("gone")),
            self.assertRaises(BackendUnavailable),
            lock("a", using=self.locks),
        ):
            self.fail("held, and nobody knows")
        self.assertEqual(self.locks.holders(), [])

    def test_missing_table_is_no_outage(self):
        with connections[self.database].schema_editor() as editor:
            editor.delete_model(StoredLock)
        try:
            with self.assertRaisesRegex(Exception, "django_dist_lock"), lock("a", using=self.locks):
                self.fail("held, and nobody knows")
        finally:
            with connections[self.database].schema_editor() as editor:
                editor.create_model(StoredLock)


class SQLiteTests(OnADatabase, TransactionTestCase):
    def test_names_by_the_thousand_are_told_apart(self):
        self.assertEqual(len({digest_of(["lock", f"job-{number}"]) for number in range(MANY)}), MANY)
        with transaction.atomic():  # for speed: what is held in one transaction is refused in it, too
            for number in range(0, MANY, 10):
                self.locks.release("job", "", None)
                self.assertIsNotNone(self.locks.try_acquire(f"job-{number}", f"owner {number}", 600).fence)
        self.assertEqual(self.rows().count(), MANY / 10)


class AsideTests:
    """What is done beside a transaction, on servers."""

    def test_nothing_is_sent_on_the_connection_of_a_transaction(self):
        with transaction.atomic(using=self.database):
            with self.statements() as seen, lock("a", using=self.locks) as lease:
                lease.check()
            self.assertEqual(self.sent(seen), [])

    def test_connection_beside_is_kept_as_long_as_that_of_a_thread(self):
        settings = connections[self.database].settings_dict
        for age, kept in ((0, 0), (None, 1), (60, 1)):
            with patch.dict(settings, CONN_MAX_AGE=age), transaction.atomic(using=self.database):
                with lock("a", using=self.locks), lock("b", using=self.locks):
                    pass
                self.assertEqual(len(self.locks._aside._idle), kept)
            self.locks._aside.close()
        self.assertEqual(self.locks._aside._idle, [])

    def test_lost_connection_beside_is_made_anew(self):
        with patch.dict(connections[self.database].settings_dict, CONN_MAX_AGE=None):
            with transaction.atomic(using=self.database), lock("a", using=self.locks):
                self.locks._aside._idle[0].connection.close()  # as the server does
                with lock("b", using=self.locks):
                    self.assertEqual(len(self.locks.holders()), 2)
            self.assertEqual(self.locks.holders(), [])
            self.locks._aside.close()


@needs("postgres")
class PostgreSQLTests(OnADatabase, AsideTests, TransactionTestCase):
    database = "postgres"
    databases = {"default", "postgres"}


@needs("mysql")
class MariaDBTests(OnADatabase, AsideTests, TransactionTestCase):
    database = "mysql"
    databases = {"default", "mysql"}


class OptionTests(unittest.TestCase):
    def test_unknown_database_is_told(self):
        with self.assertRaisesRegex(InvalidBackend, "DIST_LOCKS.*nowhere"):
            DatabaseLocks(alias="default", database="nowhere")
