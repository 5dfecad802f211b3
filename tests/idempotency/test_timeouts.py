"""A statement time-out of the site's own that is shorter than the policy's wait ends the wait, and is no error."""

from django.db import connections
from django.test import TransactionTestCase

from django_dist.testing.case import PATIENCE_S
from django_dist.testing.faults import rerouted
from django_dist.testing.races import SlowFirst
from services import needs


class TimeoutBehaviour(SlowFirst):
    def test_statement_timeout_below_the_wait_is_409_and_the_repeat_a_replay(self):
        options = connections[self.database].settings_dict["OPTIONS"]
        first = self.begin()
        with self.policy(wait=PATIENCE_S * 2), rerouted(self.database, OPTIONS={**options, **self.limit}):
            self.assert_problem(self.aside(self.post, self.slow).result(PATIENCE_S), 409, "in-progress")
        self.assertFalse(first.done())
        self.go.set()
        first = first.result(PATIENCE_S)
        self.assert_again(self.post(self.slow), first)
        self.assertEqual(self.effects(), 1)


@needs("postgres")
class PostgreSQLTests(TimeoutBehaviour, TransactionTestCase):
    database = "postgres"
    limit = {"options": "-c statement_timeout=100ms"}


@needs("mysql")
class MariaDBTests(TimeoutBehaviour, TransactionTestCase):
    database = "mysql"

    @property
    def limit(self):
        if not connections["mysql"].mysql_is_mariadb:
            self.skipTest("max_execution_time of MySQL is for SELECT alone")
        return {"init_command": "SET max_statement_time = 0.1"}
