"""Advisory locks: in the caller's transaction or beside it, ended by the server, and fences of a sequence."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from unittest.mock import patch

from django.db import DatabaseError, OperationalError, connections, transaction
from django.test import SimpleTestCase, TransactionTestCase
from django.test.utils import CaptureQueriesContext

from django_dist.exceptions import BackendUnavailable, InvalidBackend, LockLost, LockTimeout
from django_dist.locks import lock
from django_dist.locks.postgres import AdvisoryLocks
from processes.clients import until
from services import database, needs

PATIENCE_S = 15
OURS = """FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
HOLDER = """
import json, sys, django
from django.conf import settings
settings.configure(INSTALLED_APPS=["django.contrib.contenttypes", "django_dist"], USE_TZ=True,
    DATABASES={"default": json.loads(sys.argv[1])})
django.setup()
from django.db import transaction
from django_dist.locks import lock
from django_dist.locks.postgres import AdvisoryLocks
from contextlib import nullcontext
with transaction.atomic() if sys.argv[2] == "inside" else nullcontext():
    with lock("a", using=AdvisoryLocks(alias="test"), ttl=float(sys.argv[3])) as lease:
        print(lease.fence, flush=True)
        sys.stdin.read()
"""


@needs("postgres")
class AdvisoryTests(TransactionTestCase):
    databases = {"default", "postgres"}

    def setUp(self):
        self.locks = self.made()

    def made(self):
        made = AdvisoryLocks(alias="test", database="postgres")
        self.addCleanup(self.let_go, made)
        return made

    def let_go(self, made):
        for _, name, owner in list(made._held):
            made.release(name, owner, None)

    def atomic(self):
        return transaction.atomic(using="postgres")

    def sent(self):
        return CaptureQueriesContext(connections["postgres"])

    def rows(self, sql, *given):
        with self.locks._alone() as cursor:
            cursor.execute(sql, given)
            return cursor.fetchall()

    @contextmanager
    def holder(self, where, ttl=60):
        """Hold the lock in a process of its own."""
        settings = {**database("postgres"), "NAME": connections["postgres"].settings_dict["NAME"]}
        settings.pop("TEST")
        command = [sys.executable, "-c", HOLDER, json.dumps(settings), where, str(ttl)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        with subprocess.Popen(command, env=environment, **pipes) as started:
            try:
                yield started, int(started.stdout.readline())
            finally:
                started.kill()

    def test_lock_of_a_transaction_is_one_statement(self):
        with self.atomic(), lock("warm", using=self.locks):
            pass
        with self.atomic(), self.sent() as sent, lock("a", using=self.locks):
            pass
        self.assertEqual(len(sent), 1)
        with self.sent() as sent, lock("a", using=self.locks):
            pass
        self.assertEqual(len(sent), 0)  # on a connection of its own

    def test_lock_in_a_savepoint_outlasts_it(self):
        with self.atomic():
            with self.assertRaises(OperationalError), self.atomic():
                with lock("a", using=self.locks):
                    pass
                raise OperationalError
            self.assertTrue(self.refused())
        self.assertFalse(self.refused())

    def refused(self):
        found = []

        def work():
            try:
                with lock("a", using=self.made(), wait=0):
                    found.append(False)
            except LockTimeout:
                found.append(True)
            finally:
                connections.close_all()

        thread = threading.Thread(target=work)
        thread.start()
        thread.join(PATIENCE_S)
        return found[0]

    def test_other_owner_in_the_same_transaction_is_refused(self):
        """A session gets its own lock again: tasks over one connection would all be inside."""
        with self.atomic():
            fence = self.locks.try_acquire("a", "one", 60).fence
            self.assertIsNone(self.locks.try_acquire("a", "two", 60).fence)
            self.locks.release("a", "one", fence)
            self.assertGreater(self.locks.try_acquire("a", "two", 60).fence, fence)
        self.assertFalse(self.refused())

    def test_wait_in_a_transaction_ends_in_time_and_leaves_it_usable(self):
        before = self.rows("SELECT current_setting('lock_timeout')")
        with lock("a", using=self.locks), self.atomic():
            with self.assertRaises(LockTimeout), lock("a", using=self.made(), wait=0.3):
                self.fail("two holders")
            with connections["postgres"].cursor() as cursor:
                cursor.execute("SELECT current_setting('lock_timeout')")
                self.assertEqual(cursor.fetchall(), before)

    def test_who_waits_in_a_transaction_is_next(self):
        had = []

        def work():
            try:
                with self.atomic(), lock("a", using=self.made(), wait=PATIENCE_S) as lease:
                    cursor = connections["postgres"].cursor()
                    cursor.execute("SELECT current_setting('lock_timeout')")
                    had.append((lease.fence, cursor.fetchone()[0]))
            finally:
                connections.close_all()

        with lock("a", using=self.locks) as lease:
            thread = threading.Thread(target=work, daemon=True)
            thread.start()
            until(lambda: self.locks.holders()[0].waiting, "it waits")
        thread.join(PATIENCE_S)
        ((fence, timeout),) = had
        self.assertGreater(fence, lease.fence)
        self.assertEqual(timeout, "0")

    def test_deadlock_is_told_as_a_timeout(self):
        told, both = [], threading.Barrier(2)

        def work(first, second):
            try:
                with self.atomic(), lock(first, using=self.locks):
                    both.wait(PATIENCE_S)
                    with lock(second, using=self.locks, wait=PATIENCE_S):
                        told.append("had")
            except LockTimeout:
                told.append("refused")
            finally:
                connections.close_all()

        threads = [threading.Thread(target=work, args=names, daemon=True) for names in ("ab", "ba")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
        self.assertEqual(sorted(told), ["had", "refused"])

    def test_killed_holder_is_followed_at_once(self):
        for where in ("inside", "beside"):
            with self.holder(where) as (process, fence):
                self.assertTrue(self.refused())
                process.send_signal(signal.SIGKILL)
                began = time.monotonic()
                with lock("a", using=self.locks, wait=PATIENCE_S) as lease:
                    self.assertLess(time.monotonic() - began, 2)
                self.assertGreater(lease.fence, fence)

    def test_holder_that_stands_still_loses_its_session_with_its_lease(self):
        with self.holder("beside", ttl=1) as (process, fence):
            process.send_signal(signal.SIGSTOP)
            with lock("a", using=self.locks, wait=PATIENCE_S) as lease:
                self.assertGreater(lease.fence, fence)
                process.send_signal(signal.SIGCONT)
                process.stdin.close()
                self.assertNotEqual(process.wait(PATIENCE_S), 0)  # LockLost
                lease.check()

    def test_session_that_was_ended_is_told_and_its_connection_given_up(self):
        losses = []
        with self.assertRaises(LockLost), lock("a", using=self.locks, ttl=1.5, on_lost=losses.append):
            self.rows(f"SELECT pg_terminate_backend(pid) {OURS}")
            until(lambda: losses, "the loss is told")
        with lock("a", using=self.locks) as lease:
            lease.check()

    def test_transaction_that_was_ended_commits_nothing(self):
        with self.assertRaises((LockLost, DatabaseError)), self.atomic(), lock("a", using=self.locks) as lease:
            self.made().break_lock("a")
            lease.check()
        connections["postgres"].close()
        self.assertFalse(self.refused())

    def test_holders_in_a_transaction_are_listed_once_their_name_is_known(self):
        with lock("a", using=self.locks):
            pass
        with self.atomic(), lock("a", using=self.locks):
            (holder,) = self.locks.holders()
        self.assertEqual((holder.name, holder.fence, holder.left), ("a", None, float("inf")))

    def test_fences_pass_those_of_a_server_that_has_forgotten(self):
        self.rows("SELECT setval('django_dist_fence', 10)")
        with lock("a", using=self.locks) as lease:
            before = lease.fence
        self.rows("SELECT setval('django_dist_fence', 1)")  # what a crash may do, and more
        self.locks._started = "another start"
        with lock("a", using=self.locks) as lease:
            self.assertGreater(lease.fence, before)

    def test_fences_grow_though_the_clock_goes_back(self):
        with lock("a", using=self.locks):
            pass
        self.rows("SELECT setval('django_dist_fence', %s)", 2**60)
        with self.made()._aside.connection(), lock("a", using=self.made()) as lease:
            self.assertEqual(lease.fence, 2**60 + 2)  # a process that begins takes one more

    def test_nothing_is_left_open(self):
        with self.atomic(), lock("a", using=self.locks):
            pass
        with lock("b", using=self.locks):
            pass
        self.assertEqual(self.rows(f"SELECT count(*) {OURS}"), [(0,)])

    def test_longest_lease_is_told(self):
        with self.assertRaisesRegex(ValueError, "2000000 seconds"), lock("a", using=self.locks, ttl=1e8):
            self.fail("no server counts so far")

    def test_lost_server_is_told_and_nothing_is_held(self):
        gone = patch("django_dist.locks.aside.connections.create_connection", side_effect=OperationalError("gone"))
        with gone, self.assertRaises(BackendUnavailable):
            self.locks.try_acquire("a", "one", 60)
        self.assertEqual(self.locks.holders(), [])


class OptionTests(SimpleTestCase):
    def test_other_databases_are_refused(self):
        for name in ("default", "nowhere"):
            with self.assertRaisesRegex(InvalidBackend, f"DIST_LOCKS.*{name}.*PostgreSQL"):
                AdvisoryLocks(alias="default", database=name)
