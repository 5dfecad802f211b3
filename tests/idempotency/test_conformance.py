"""Every behaviour of the shipped suite over SQLite, PostgreSQL and MariaDB, under WSGI and ASGI."""

from django.test import TransactionTestCase

from django_dist.testing.idempotency import IdempotencyConformance
from services import needs


class SQLiteTests(IdempotencyConformance, TransactionTestCase):
    database = "default"


class AsyncSQLiteTests(SQLiteTests):
    asynchronous = True


@needs("postgres")
class PostgreSQLTests(IdempotencyConformance, TransactionTestCase):
    database = "postgres"


@needs("postgres")
class AsyncPostgreSQLTests(IdempotencyConformance, TransactionTestCase):
    database = "postgres"
    asynchronous = True


@needs("mysql")
class MariaDBTests(IdempotencyConformance, TransactionTestCase):
    database = "mysql"


@needs("mysql")
class AsyncMariaDBTests(IdempotencyConformance, TransactionTestCase):
    database = "mysql"
    asynchronous = True
