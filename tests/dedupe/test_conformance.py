"""Every behaviour of the shipped suite over SQLite, PostgreSQL and MariaDB."""

from django.test import TransactionTestCase

from django_dist.testing.dedupe import AsyncDedupeConformance, DedupeConformance
from services import needs


class SQLiteTests(DedupeConformance, TransactionTestCase):
    database = "default"


class AsyncSQLiteTests(AsyncDedupeConformance, TransactionTestCase):
    database = "default"


@needs("postgres")
class PostgreSQLTests(DedupeConformance, TransactionTestCase):
    database = "postgres"


@needs("postgres")
class AsyncPostgreSQLTests(AsyncDedupeConformance, TransactionTestCase):
    database = "postgres"


@needs("mysql")
class MariaDBTests(DedupeConformance, TransactionTestCase):
    database = "mysql"


@needs("mysql")
class AsyncMariaDBTests(AsyncDedupeConformance, TransactionTestCase):
    database = "mysql"
