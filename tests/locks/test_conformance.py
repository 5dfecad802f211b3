"""The suite of locks over every store."""

from django.test import SimpleTestCase, TransactionTestCase

from django_dist.locks.database import DatabaseLocks
from django_dist.locks.memory import MemoryLocks
from django_dist.testing.lock_transactions import LockTransactionConformance
from django_dist.testing.locks import LockConformance
from services import needs


class MemoryTests(LockConformance, SimpleTestCase):
    def make_backend(self):
        return MemoryLocks(alias="test")


class SQLiteTests(LockConformance, TransactionTestCase):
    def make_backend(self):
        return DatabaseLocks(alias="test")


@needs("postgres")
class PostgreSQLTests(LockConformance, TransactionTestCase):
    databases = {"default", "postgres"}

    def make_backend(self):
        return DatabaseLocks(alias="test", database="postgres")


@needs("mysql")
class MariaDBTests(LockConformance, TransactionTestCase):
    databases = {"default", "mysql"}

    def make_backend(self):
        return DatabaseLocks(alias="test", database="mysql")


class SQLiteTransactionTests(LockTransactionConformance, TransactionTestCase):
    def make_backend(self):
        return DatabaseLocks(alias="test")


@needs("postgres")
class PostgreSQLTransactionTests(LockTransactionConformance, TransactionTestCase):
    database = "postgres"

    def make_backend(self):
        return DatabaseLocks(alias="test", database="postgres")


@needs("mysql")
class MariaDBTransactionTests(LockTransactionConformance, TransactionTestCase):
    database = "mysql"

    def make_backend(self):
        return DatabaseLocks(alias="test", database="mysql")


@needs("postgres")
class MemoryTransactionTests(LockTransactionConformance, TransactionTestCase):
    database = "postgres"

    def make_backend(self):
        return MemoryLocks(alias="test")
