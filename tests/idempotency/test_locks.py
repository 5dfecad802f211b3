"""PostgreSQL's advisory locks have 64 bits: two requests that share one only wait for each other."""

from unittest import mock

from django.test import TransactionTestCase

from django_dist.testing.case import PATIENCE_S
from django_dist.testing.faults import blocked
from django_dist.testing.races import SlowFirst
from services import needs


@needs("postgres")
class SharedLockTests(SlowFirst, TransactionTestCase):
    database = "postgres"

    def test_each_of_two_keys_that_share_a_lock_has_its_effect(self):
        with mock.patch("django_dist.idempotency.sql.postgresql._lock", return_value=4711):
            first = self.begin()
            other = self.aside(self.post, self.slow, key="b" * 32)
            self.until(lambda: other.done() or blocked(self.database))
            self.assertEqual(len(self.runs), 1)
            self.go.set()
            self.assertEqual({first.result(PATIENCE_S).status, other.result(PATIENCE_S).status}, {201})
            self.assertEqual((len(self.runs), self.records().count()), (2, 2))
            self.assertTrue(self.post(self.slow, key="b" * 32).replayed)
