"""The suite of sessions over every database, by calls and by coroutines."""

from django.test import TransactionTestCase

from django_dist.testing.sessions import SessionConformance
from lengths import in_storms
from services import needs


class SQLiteTests(SessionConformance, TransactionTestCase):
    pass


@needs("postgres")
class PostgreSQLTests(SessionConformance, TransactionTestCase):
    database = "postgres"


@needs("mysql")
class MariaDBTests(SessionConformance, TransactionTestCase):
    database = "mysql"


class AsyncSQLiteTests(SQLiteTests):
    asynchronous = True


@in_storms
class AsyncPostgreSQLTests(PostgreSQLTests):
    asynchronous = True


@in_storms
class AsyncMariaDBTests(MariaDBTests):
    asynchronous = True
