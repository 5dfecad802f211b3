"""The commands of locks: what they list, break, purge and run."""

import json
import sys
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

from django.core.management import CommandError, call_command
from django.test import TestCase, TransactionTestCase, override_settings

from django_dist.clock import StoreTime
from django_dist.exceptions import BackendUnavailable
from django_dist.locks import lock
from django_dist.locks.database import DatabaseLocks
from django_dist.locks.moment import moment
from django_dist.locks.registry import locks
from django_dist.models import StoredLock

WRITE = "import json, os, sys; json.dump(dict(os.environ), open(sys.argv[1], 'w')); sys.exit(int(sys.argv[2]))"


def lives(pid):
    """Return whether a process runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def told(command, *args, **options):
    """Return what a command writes."""
    out = StringIO()
    call_command(command, *args, stdout=out, stderr=out, **options)
    return out.getvalue()


class ListTests(TransactionTestCase):
    def test_holders_are_listed_and_nobody_else(self):
        self.assertEqual(told("dist_locks").splitlines()[-1], "0 held")
        with lock("a report") as lease, lock("b"):
            head, row, _, last = told("dist_locks").splitlines()
        self.assertTrue(head.startswith("name"))
        self.assertTrue(row.startswith("'a report'") and str(lease.fence) in row and "MainThread" in row, row)
        self.assertEqual(last, "2 held")

    def test_broken_lock_is_taken_from_its_holder(self):
        fence = locks["default"].try_acquire("a", "one", 60).fence
        self.assertIn("is taken from its holder", told("dist_locks", name="a"))
        self.assertFalse(locks["default"].check("a", "one", fence))
        with self.assertRaisesMessage(CommandError, "nobody holds 'a'"):
            told("dist_locks", name="a")

    def test_wrong_alias_and_silent_store_are_told(self):
        with self.assertRaisesMessage(CommandError, "no alias 'nowhere'"):
            told("dist_locks", using="nowhere")
        gone = patch.object(DatabaseLocks, "holders", side_effect=BackendUnavailable("gone"))
        with gone, self.assertRaisesMessage(CommandError, "gone"):
            told("dist_locks")


class PurgeTests(TestCase):
    @override_settings(DIST_LOCKS={"other": {}, "memory": {"BACKEND": "django_dist.locks.memory.MemoryLocks"}})
    def test_locks_are_purged_once_a_database(self):
        for name in "ab":
            with lock(name):
                pass
        StoredLock.objects.filter().update(expires_at=StoreTime(-100_000))
        self.assertIn("deleted 0 of 2 expired rows", told("dist_purge", only="locks", dry_run=True))
        self.assertIn("deleted 2 of 2 expired rows", told("dist_purge", only="locks"))


class RunTests(TransactionTestCase):
    def run_program(self, *program, **options):
        """Return the exit status."""
        try:
            told("dist_run", "job", "--", *map(str, program), **options)
        except SystemExit as end:
            return end.code
        except CommandError as error:
            return error.returncode
        return 0

    def scratch(self):
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return Path(folder.name)

    def free(self):
        return locks["default"].holders() == []

    def test_program_runs_under_the_lock_and_its_status_is_passed_on(self):
        for status in (0, 3):
            with self.subTest(status), patch.dict("os.environ", {"HERE": "kept"}):
                path = self.scratch() / "told"
                self.assertEqual(self.run_program(sys.executable, "-c", WRITE, path, status), status)
                seen = json.loads(path.read_text())
                self.assertEqual((seen["DIST_LOCK_NAME"], seen["HERE"]), ("job", "kept"))
                self.assertEqual(int(seen["DIST_LOCK_FENCE"]), StoredLock.objects.get().fence)
            self.assertTrue(self.free())
        self.assertEqual(self.run_program(sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"), 128 + 9)

    def test_program_does_not_run_where_the_lock_is_busy(self):
        locks["default"].try_acquire("job", "another", 60)
        self.assertEqual(self.run_program(sys.executable, "-c", "raise SystemExit(3)"), 75)

    def test_program_is_killed_when_the_lock_is_broken(self):
        path = self.scratch() / "told"
        breaking = f"import pathlib, time; pathlib.Path({str(path)!r}).touch(); time.sleep(60)"
        real = DatabaseLocks.extend

        def extend(self, *args):  # the first renewal finds it broken, as by an operator
            assert path.exists()
            self.break_lock("job")
            return real(self, *args)

        began = moment()
        with patch.object(DatabaseLocks, "extend", extend):
            self.assertEqual(self.run_program(sys.executable, "-c", breaking, ttl=6.0), 76)
        self.assertLess(moment() - began, 30)
        self.assertTrue(self.free())

    def test_program_is_ended_before_the_lease_where_the_store_is_silent(self):
        ends = "import signal, time; signal.signal(15, lambda *_: print('asked', flush=True)); time.sleep(60)"
        began = moment()
        with (
            patch.object(DatabaseLocks, "extend", side_effect=BackendUnavailable("gone")),
            self.assertLogs("django_dist.locks", "WARNING"),
        ):
            self.assertEqual(self.run_program(sys.executable, "-c", ends, ttl=3.0), 76)
            self.assertLess(moment() - began, 3)

    def test_what_the_program_has_left_running_ends_with_it(self):
        path = self.scratch() / "pid"
        leaving = "import subprocess, sys; open(sys.argv[1], 'w').write(str(subprocess.Popen(['sleep', '60']).pid))"
        self.assertEqual(self.run_program(sys.executable, "-W", "ignore", "-c", leaving, path), 0)
        deadline = moment() + 10
        while lives(path.read_text()):
            self.assertLess(moment(), deadline)

    def test_lock_is_held_at_least_as_long_as_was_asked(self):
        began = moment()
        self.assertEqual(self.run_program("true", at_least=0.5), 0)
        self.assertGreaterEqual(moment() - began, 0.5)

    def test_what_cannot_run_is_told(self):
        self.assertEqual(self.run_program("/no/such/program"), 127)
        self.assertEqual(self.run_program("true", ttl=0), 1)
        self.assertEqual(self.run_program("true", using="nowhere"), 1)
        with patch.object(DatabaseLocks, "try_acquire", side_effect=BackendUnavailable("gone")):
            self.assertEqual(self.run_program("true"), 69)
        self.assertTrue(self.free())
