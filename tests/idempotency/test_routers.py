"""What a database router says of reads is not for records: a replica that lags would let a repeat run again."""

from django.test import TransactionTestCase, override_settings

from django_dist.idempotency.registry import requests
from django_dist.testing.harness import Harness
from django_dist.testing.leases import LeaseHarness


class Replica:
    """Sends every read to a database that is not there; whoever asks it fails."""

    def db_for_read(self, model, **hints):
        return "replica"


class Routed:
    database = "default"

    def setUp(self):
        super().setUp()
        routers = override_settings(DATABASE_ROUTERS=[f"{__name__}.Replica"])
        routers.enable()
        self.addCleanup(routers.disable)

    def test_records_are_read_where_they_are_written(self):
        self.assert_once()
        self.assertEqual((requests["default"].expired(), requests["default"].purge(10)), (0, 0))


class AtomicTests(Routed, Harness, TransactionTestCase):
    pass


class LeaseTests(Routed, LeaseHarness, TransactionTestCase):
    pass
