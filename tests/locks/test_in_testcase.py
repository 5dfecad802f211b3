"""Locks in a TestCase, whose transaction never ends: it counts for none, and takes what they write with it."""

import pytest
from django.db import transaction
from django.test import TestCase

from django_dist.exceptions import LockLost
from django_dist.locks import lock
from django_dist.locks.database import DatabaseLocks
from django_dist.models import StoredLock
from services import needs

SHORT_S = 0.5


class InTestCase:
    database = "default"

    def setUp(self):
        self.locks = DatabaseLocks(alias="test", database=self.database)

    def rows(self):
        return StoredLock.objects.using(self.database)

    def free(self):
        fence = self.locks.try_acquire("a", "other", 30).fence
        return fence is not None and self.locks.release("a", "other", fence)

    def test_lock_is_free_at_the_end_of_its_block(self):
        with lock("a", using=self.locks):
            self.assertFalse(self.free())
        self.assertTrue(self.free())

    def test_lock_in_a_transaction_of_the_test_is_free_at_the_end_of_its_block(self):
        with transaction.atomic(using=self.database):
            with lock("a", using=self.locks):
                self.assertFalse(self.free())
            self.assertTrue(self.free())
        self.assertTrue(self.free())

    def test_row_goes_with_the_test(self):
        self.assertEqual(self.rows().count(), 0)
        with lock("a", using=self.locks):
            self.assertEqual(self.rows().count(), 1)

    test_row_goes_with_the_test_before = test_row_goes_with_the_test

    def test_lease_ends_with_its_time(self):
        with self.assertRaises(LockLost), lock("a", ttl=SHORT_S, using=self.locks) as lease:
            while not self.free():
                pass
            self.assertFalse(lease.held())


class SQLiteTests(InTestCase, TestCase):
    pass


@needs("postgres")
class PostgreSQLTests(InTestCase, TestCase):
    database = "postgres"
    databases = {"postgres"}


@needs("mysql")
class MariaDBTests(InTestCase, TestCase):
    database = "mysql"
    databases = {"mysql"}


@pytest.mark.django_db
def test_default_of_the_setting():
    with lock("a") as lease:
        assert StoredLock.objects.get().fence == lease.fence
