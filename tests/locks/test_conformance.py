"""The suite of locks over every store."""

from uuid import uuid4

from django.test import SimpleTestCase, TransactionTestCase

from django_dist.locks.database import DatabaseLocks
from django_dist.locks.memory import MemoryLocks
from django_dist.locks.postgres import AdvisoryLocks
from django_dist.locks.redis import RedisLocks
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


class ByAdvisoryLocks:
    database = "postgres"
    tells_rest, tells_fence, queues = False, False, True

    def make_backend(self):
        made = AdvisoryLocks(alias="test", database="postgres")
        self.addCleanup(self.let_go, made)
        return made

    def let_go(self, made):
        for _, name, owner in list(made._held):
            made.release(name, owner, None)


@needs("postgres")
class AdvisoryTests(ByAdvisoryLocks, LockConformance, TransactionTestCase):
    databases = {"default", "postgres"}


@needs("postgres")
class AdvisoryTransactionTests(ByAdvisoryLocks, LockTransactionConformance, TransactionTestCase):
    joins = True


class OnRedis:
    """A store whose keys are those of one test."""

    cache = "redis"

    def setUp(self):
        self.prefix = f"test:{uuid4().hex}:"
        super().setUp()

    def make_backend(self):
        return RedisLocks(alias="test", connection=self.cache, prefix=self.prefix)


@needs("redis")
class RedisTests(OnRedis, LockConformance, SimpleTestCase):
    pass


@needs("valkey")
class ValkeyTests(OnRedis, LockConformance, SimpleTestCase):
    cache = "valkey"


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


@needs("postgres", "redis")
class RedisTransactionTests(OnRedis, LockTransactionConformance, TransactionTestCase):
    database = "postgres"


@needs("postgres")
class MemoryTransactionTests(LockTransactionConformance, TransactionTestCase):
    database = "postgres"

    def make_backend(self):
        return MemoryLocks(alias="test")
