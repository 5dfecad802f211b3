"""Mode ``lease``: every behaviour of the shipped suites over SQLite, PostgreSQL and MariaDB, under WSGI and ASGI."""

from django.test import TransactionTestCase

from django_dist.testing.idempotency import LastWritesConformance, LeaseConformance
from services import needs


class SQLiteTests(LeaseConformance, TransactionTestCase):
    database = "default"


class SQLiteLastWritesTests(LastWritesConformance, TransactionTestCase):
    database = "default"


class AsyncSQLiteTests(SQLiteTests):
    asynchronous = True


class AsyncSQLiteLastWritesTests(SQLiteLastWritesTests):
    asynchronous = True


@needs("postgres")
class PostgreSQLTests(LeaseConformance, TransactionTestCase):
    database = "postgres"


@needs("postgres")
class PostgreSQLLastWritesTests(LastWritesConformance, TransactionTestCase):
    database = "postgres"


@needs("postgres")
class AsyncPostgreSQLTests(LeaseConformance, TransactionTestCase):
    database = "postgres"
    asynchronous = True


@needs("mysql")
class MariaDBTests(LeaseConformance, TransactionTestCase):
    database = "mysql"


@needs("mysql")
class MariaDBLastWritesTests(LastWritesConformance, TransactionTestCase):
    database = "mysql"


@needs("mysql")
class AsyncMariaDBTests(LeaseConformance, TransactionTestCase):
    database = "mysql"
    asynchronous = True
