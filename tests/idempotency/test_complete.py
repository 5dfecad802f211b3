"""dist_complete over SQLite, PostgreSQL and MariaDB, under WSGI and ASGI."""

from django.test import TransactionTestCase

from idempotency.completion import CompletionSuite
from services import needs


class SQLiteTests(CompletionSuite, TransactionTestCase):
    database = "default"


@needs("postgres")
class PostgreSQLTests(CompletionSuite, TransactionTestCase):
    database = "postgres"


@needs("postgres")
class AsyncPostgreSQLTests(PostgreSQLTests):
    asynchronous = True


@needs("mysql")
class MariaDBTests(CompletionSuite, TransactionTestCase):
    database = "mysql"
