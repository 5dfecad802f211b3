"""Logins, new keys and ends of one user at once, on servers: no deadlock is told, no limit passed."""

from threading import Barrier

from django.db import connections, transaction
from django.test import TransactionTestCase

from django_dist.exceptions import SessionLimitReached, SessionStoreUnavailable
from django_dist.sessions import revoke_all, sessions_for
from django_dist.testing.case import PATIENCE_S
from django_dist.testing.faults import proxied, rerouted
from django_dist.testing.session_harness import SessionHarness
from lengths import rounds
from services import needs

LOGINS, RENEWALS, MOST = rounds(15, 1000), 3, 2


@needs("postgres")
class PostgreSQLTests(SessionHarness, TransactionTestCase):
    database = "postgres"
    #: Of a login above the limit: BEGIN, latch, look, end of the oldest, save, COMMIT.
    trips = 6

    def test_logins_new_keys_and_ends_at_once_end_in_no_deadlock(self):
        for limit in ({}, {"max_per_user": MOST}):
            self.with_options(**limit)
            entering = [self.aside(self.enter) for _ in range(3)]
            ending = [self.aside(self.end_all, entering) for _ in range(2)]
            for future in (*entering, *ending):
                future.result(rounds(6, 600) * PATIENCE_S)

    def enter(self):
        """Log in and change the key, again and again, however often that is ended from elsewhere."""
        for _ in range(LOGINS):
            key = self.login()
            for _ in range(RENEWALS):
                session = self.opened(key)
                session["seen"] = 1
                session.cycle_key()
                key = session.session_key

    def end_all(self, entering):
        while not all(future.done() for future in entering):
            revoke_all("7")

    def test_logins_in_transactions_at_once_stay_within_the_limit(self):
        self.with_options(max_per_user=MOST, on_max="refuse")
        barrier = Barrier(5, timeout=PATIENCE_S)

        def enter():
            with transaction.atomic(using=self.database):  # as ATOMIC_REQUESTS does
                self.look()
                barrier.wait()
                self.login()

        errors = [future.exception(6 * PATIENCE_S) for future in [self.aside(enter) for _ in range(5)]]
        # In a transaction of others a deadlock cannot be begun anew, and says so.
        self.assertLessEqual({type(error) for error in errors if error}, {SessionLimitReached, SessionStoreUnavailable})
        self.assertEqual(len(sessions_for("7")), sum(error is None for error in errors))
        self.assertIn(len(sessions_for("7")), range(1, MOST + 1))

    def look(self):
        """Begin what is seen in this transaction."""
        with connections[self.database].cursor() as cursor:
            cursor.execute("SELECT count(*) FROM django_dist_session")

    def test_only_a_login_pays_for_the_limit(self):
        self.with_options(max_per_user=MOST)
        with proxied(self.database) as proxy:
            for _ in range(MOST):
                key = self.login()
            session = self.store()
            session.cycle_key()
            session["_auth_user_id"] = "7"
            self.assertEqual(self.counted(proxy, session.save), self.trips)
            for alive in (session.session_key, key):
                session = self.store(alive)
                self.assertEqual(self.counted(proxy, lambda session=session: session.get("a")), 1)
                session["a"] = 1
                self.assertEqual(self.counted(proxy, session.save), 1)
            self.assertEqual(self.counted(proxy, self.saved), 1)

    def counted(self, proxy, call):
        before = proxy.round_trips
        call()
        return proxy.round_trips - before


@needs("mysql")
class MariaDBTests(PostgreSQLTests):
    database = "mysql"
    trips = 7  # autocommit is turned off and on, too


@needs("mysql")
class RepeatableReadTests(SessionHarness, TransactionTestCase):
    """MariaDB at the isolation level that is its own default, where a transaction looks into the past."""

    database = "mysql"
    look = PostgreSQLTests.look

    def test_logins_in_transactions_at_once_stay_within_the_limit(self):
        options = connections[self.database].settings_dict["OPTIONS"]
        with rerouted(self.database, OPTIONS={**options, "isolation_level": "repeatable read"}):
            PostgreSQLTests.test_logins_in_transactions_at_once_stay_within_the_limit(self)
