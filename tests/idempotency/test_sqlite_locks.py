"""SQLite with its file locked even for readers, as while a COMMIT of a rollback journal writes."""

import sqlite3
import tempfile
from pathlib import Path

from django.db import connections
from django.test import TransactionTestCase

from django_dist.testing.faults import rerouted
from django_dist.testing.harness import Harness


class LockedFileTests(Harness, TransactionTestCase):
    """Without the write-ahead log, in which a reader never waits; in a file that no thread of another test has open."""

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        copy = str(Path(folder.name) / "copy.sqlite3")
        with connections["default"].cursor() as cursor:
            cursor.execute("VACUUM INTO %s", [copy])
        options = connections["default"].settings_dict["OPTIONS"]
        journal = {"init_command": "PRAGMA journal_mode=DELETE", "timeout": 0.05}
        rerouting = rerouted("default", NAME=copy, OPTIONS={**options, **journal})
        rerouting.__enter__()
        self.addCleanup(rerouting.__exit__, None, None, None)
        self.other = sqlite3.connect(connections["default"].settings_dict["NAME"], isolation_level=None)
        self.addCleanup(self.other.close)

    def lock(self):
        self.other.execute("BEGIN EXCLUSIVE")

    def test_file_is_locked_even_for_readers(self):
        connections["default"].ensure_connection()
        self.lock()
        with self.assertRaisesRegex(Exception, "locked"):
            self.effects()
        self.other.rollback()

    def test_claim_is_told_to_wait(self):
        connections["default"].ensure_connection()
        self.lock()
        self.assert_problem(self.post(), 409, "in-progress")
        self.other.rollback()
        self.assert_once()

    def test_record_of_another_try_that_cannot_be_read_is_an_unknown_outcome(self):
        self.post()
        first = self.records().get()
        self.records().delete()

        def view(request):
            """Give the write lock away, against all advice, so that another try is first."""
            with connections["default"].cursor() as cursor:
                cursor.execute("COMMIT")
            first.save(force_insert=True)
            return self.order(request)

        def lock_before_the_look_up(execute, sql, params, many, context):
            if sql.startswith("SELECT") and "django_dist_request" in sql:
                self.lock()
            return execute(sql, params, many, context)

        with connections["default"].execute_wrapper(lock_before_the_look_up):
            reply = self.post(view)
        self.assert_problem(reply, 503, "outcome-unknown")
        self.assertTrue(self.other.in_transaction)
        self.other.rollback()
        self.assertTrue(self.post().replayed)
