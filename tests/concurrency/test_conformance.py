"""Every behaviour of the shipped suite over SQLite, PostgreSQL and MariaDB."""

from django.test import TransactionTestCase

from django_dist.testing.concurrency import ConcurrencyConformance
from services import needs


class SQLiteTests(ConcurrencyConformance, TransactionTestCase):
    database = "default"


@needs("postgres")
class PostgreSQLTests(ConcurrencyConformance, TransactionTestCase):
    database = "postgres"


@needs("mysql")
class MariaDBTests(ConcurrencyConformance, TransactionTestCase):
    database = "mysql"
