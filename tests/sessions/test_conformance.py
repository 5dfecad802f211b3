"""The suite of sessions over every database."""

from django.test import TransactionTestCase

from django_dist.testing.sessions import SessionConformance
from services import needs


class SQLiteTests(SessionConformance, TransactionTestCase):
    pass


@needs("postgres")
class PostgreSQLTests(SessionConformance, TransactionTestCase):
    database = "postgres"


@needs("mysql")
class MariaDBTests(SessionConformance, TransactionTestCase):
    database = "mysql"
