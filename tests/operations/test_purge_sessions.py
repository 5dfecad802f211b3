"""dist_purge of sessions by two runners at once: all that is over goes, each row is counted once, and no other goes."""

import io
import re
import threading
import uuid
from datetime import datetime, timedelta, timezone

from django.core.management import call_command
from django.db import connections
from django.test import TransactionTestCase, override_settings

from django_dist.models import StoredSession
from services import needs

OVER, LIVE = 2000, 7
RAN = re.compile(r"deleted (\d+) of (\d+) expired rows")


class TwoRunners:
    def setUp(self):
        super().setUp()
        overriding = override_settings(DIST_SESSIONS={"default": {"OPTIONS": {"database": self.database}}})
        overriding.enable()
        self.addCleanup(overriding.disable)
        now = datetime.now(timezone.utc)
        self.make(OVER, now - timedelta(days=1))
        self.make(LIVE, now + timedelta(days=1))

    def make(self, number, end):
        rows = (
            StoredSession(digest=uuid.uuid4(), version=1, data=b"x", created_at=end, seen_at=end, expires_at=end)
            for _ in range(number)
        )
        StoredSession.objects.using(self.database).bulk_create(rows, batch_size=200)

    def run_both(self):
        """Return what each of two runners that begin together has deleted."""
        together, deleted, failures = threading.Barrier(2), [], []

        def run():
            out = io.StringIO()
            try:
                together.wait(30)
                call_command("dist_purge", only="sessions", batch=20, stdout=out, stderr=io.StringIO())
                deleted.append(int(RAN.search(out.getvalue())[1]))
            except Exception as error:  # noqa: BLE001  (told by the test)
                failures.append(error)
            finally:
                connections.close_all()

        runners = [threading.Thread(target=run) for _ in range(2)]
        for runner in runners:
            runner.start()
        for runner in runners:
            runner.join(120)
        self.assertEqual(failures, [])
        return deleted

    def left(self):
        return StoredSession.objects.using(self.database).count()

    def test_all_that_is_over_goes_once(self):
        self.assertEqual(sum(self.run_both()), OVER)
        self.assertEqual(self.left(), LIVE)

    def test_runners_get_over_their_deadlocks(self):
        for _ in range(3):
            self.assertEqual(sum(self.run_both()), OVER)
            self.make(OVER, datetime.now(timezone.utc) - timedelta(days=1))


class SQLiteTests(TwoRunners, TransactionTestCase):
    database = "default"


@needs("postgres")
class PostgreSQLTests(TwoRunners, TransactionTestCase):
    database = "postgres"
    databases = {"default", "postgres"}


@needs("mysql")
class MariaDBTests(TwoRunners, TransactionTestCase):
    database = "mysql"
    databases = {"default", "mysql"}
