"""dist_doctor tells of requests that nobody completes or decides about."""

from datetime import timedelta

from django.db import connections
from django.test import TransactionTestCase

from django_dist.diagnosis import completion
from django_dist.models import RequestRecord
from services import needs

from .records import make
from .test_doctor import told

HOUR_S = 3600
RUNNING, HELD = RequestRecord.State.RUNNING, RequestRecord.State.HELD


class SQLiteTests(TransactionTestCase):
    database = "default"
    databases = {"default"}

    def left(self, *, hours, **fields):
        record = make(self.database, **{"state": RUNNING, "kept": b"{}", **fields})
        rows = RequestRecord.objects.using(self.database).filter(pk=record.pk)
        rows.update(leased_until=record.expires_at - timedelta(hours=hours))

    def told(self, check):
        return told(check, connections[self.database])

    def test_abandoned_request_that_waits_for_long_is_told(self):
        self.left(hours=1)
        self.left(hours=9, kept=None)  # its client's to repeat
        self.left(hours=-1)
        self.assertEqual(self.told(completion.abandoned_requests), [])
        self.left(hours=5)
        ((is_wrong, text),) = self.told(completion.abandoned_requests)
        self.assertFalse(is_wrong)
        self.assertIn("the oldest for 5 hours", text)

    def test_held_requests_are_told(self):
        self.left(hours=0)
        self.assertEqual(self.told(completion.held_requests), [])
        for _ in range(2):
            self.left(hours=0, state=HELD)
        self.assertEqual(self.told(completion.held_requests), [(False, "2 requests are held for an operator")])


@needs("postgres")
class PostgreSQLTests(SQLiteTests):
    database = "postgres"
    databases = {"postgres"}


@needs("mysql")
class MariaDBTests(SQLiteTests):
    database = "mysql"
    databases = {"mysql"}
