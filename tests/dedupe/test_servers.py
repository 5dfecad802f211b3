"""What differs by server: locks not to be held, errors that end a transaction, a row gone in the wrong moment."""

import threading
from contextlib import contextmanager

from django.db import OperationalError, connections, transaction
from django.db.utils import DatabaseError
from django.test import TransactionTestCase

from django_dist.clock import StoreNow
from django_dist.dedupe import claim, claim_many, once
from django_dist.models import DedupeEntry
from services import needs


def aside(call, *args):
    """Run ``call`` on a thread with connections of its own, and return what it returned."""
    found = []

    def work():
        try:
            found.append(call(*args))
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(20)
    return found[0]


class Servers:
    """Of PostgreSQL and MariaDB alike."""

    database = ""

    def impatient(self):
        """Let statements of this thread wait for a lock no longer than a second."""
        raise NotImplementedError

    def claimed(self, *keys, ttl=None):
        with transaction.atomic(using=self.database):
            return claim_many("mail", keys, ttl=ttl, using=self.database)

    def test_claim_that_has_waited_in_vain_ends_the_transaction(self):
        with transaction.atomic(using=self.database):
            claim("mail", "a", using=self.database)

            def second():
                connection = connections[self.database]
                with transaction.atomic(using=self.database):
                    self.impatient()
                    try:
                        claim("mail", "a", using=self.database)
                    except OperationalError:
                        return connection.needs_rollback
                return None

            self.assertIs(aside(second), True)


@needs("postgres")
class PostgreSQLTests(Servers, TransactionTestCase):
    database = "postgres"
    databases = {"default", "postgres"}

    def impatient(self):
        with connections[self.database].cursor() as cursor:
            cursor.execute("SET LOCAL lock_timeout = '50ms'")

    def test_result_that_is_purged_between_claim_and_look_up_runs_the_handler_again(self):
        ran = []
        handle = once("mail", key=str, using=self.database, keep_result=True)(
            lambda message: ran.append(message) or "x"
        )
        self.assertEqual(handle("a"), "x")

        with self.after_the_claim(lambda: DedupeEntry.objects.using(self.database).all().delete()):
            self.assertEqual(handle("a"), "x")
        self.assertEqual(ran, ["a", "a"])

    @contextmanager
    def after_the_claim(self, act):
        """Let somebody else do ``act`` after the first claim of the block."""
        left = [act]

        def statement(execute, sql, params, many, context):
            result = execute(sql, params, many, context)
            if left and "INTO django_dist_dedupe" in sql:
                aside(left.pop())
            return result

        with connections[self.database].execute_wrapper(statement):
            yield

    def test_repeats_of_a_live_key_hold_no_lock(self):
        self.claimed("a", "b")
        with transaction.atomic(using=self.database):
            self.assertFalse(claim("mail", "a", using=self.database))

            def meanwhile():
                with transaction.atomic(using=self.database):
                    self.impatient()
                    return claim_many("mail", "abc", using=self.database)

            self.assertEqual(aside(meanwhile), {"c"})

    def test_repeat_writes_nothing(self):
        self.claimed("a")
        with transaction.atomic(using=self.database), connections[self.database].cursor() as cursor:
            self.assertFalse(claim("mail", "a", using=self.database))
            cursor.execute("SELECT pg_current_xact_id_if_assigned() IS NULL")
            self.assertEqual(cursor.fetchone(), (True,))

    def test_expiry_is_by_the_clock_of_now_and_not_of_the_transaction(self):
        with transaction.atomic(using=self.database):
            with connections[self.database].cursor() as cursor:
                cursor.execute("SELECT now()")
                (began,) = cursor.fetchone()
            self.assertTrue(claim("mail", "a", ttl=1, using=self.database))
            entry = DedupeEntry.objects.using(self.database).get()
            self.assertGreater(entry.claimed_at, began)

    def test_server_side_binding_takes_the_same_statement(self):
        options = connections[self.database].settings_dict["OPTIONS"]
        connections[self.database].close()
        options["server_side_binding"] = True
        try:
            self.assertEqual(self.claimed("a", "b", ttl=60), {"a", "b"})
            self.assertEqual(self.claimed("b", "c"), {"c"})
        finally:
            connections[self.database].close()
            del options["server_side_binding"]

    def test_serializable_repeat_is_told_to_run_again(self):
        def snapshot_before():
            with transaction.atomic(using=self.database):
                with connections[self.database].cursor() as cursor:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                    cursor.execute("SELECT 1")
                aside(self.claimed, "a")
                return claim("mail", "a", using=self.database)

        with self.assertRaises(DatabaseError):
            snapshot_before()
        self.assertEqual(self.claimed("a"), set())


@needs("mysql")
class MariaDBTests(Servers, TransactionTestCase):
    database = "mysql"
    databases = {"default", "mysql"}

    def impatient(self):
        with connections[self.database].cursor() as cursor:
            cursor.execute("SET SESSION innodb_lock_wait_timeout = 1")

    def test_entries_that_expired_within_a_snapshot_are_told_right(self):
        self.claimed("a", ttl=60)
        with transaction.atomic(using=self.database):
            with connections[self.database].cursor() as cursor:
                cursor.execute("SELECT count(*) FROM django_dist_dedupe")

            def expire():
                DedupeEntry.objects.using(self.database).update(expires_at=StoreNow())

            aside(expire)
            self.assertEqual(
                [claim("mail", "a", using=self.database), claim("mail", "a", using=self.database)], [True, False]
            )

    def test_two_statements_tell_the_same_where_there_is_no_returning(self):
        """What MySQL is sent, run on MariaDB: the look-up that takes the place of RETURNING."""
        connection = connections[self.database]
        connection.ensure_connection()
        connection.__dict__["mysql_is_mariadb"] = False
        try:
            self.assertEqual(self.claimed("a", "b", ttl=60), {"a", "b"})
            self.assertEqual(self.claimed("b", "c"), {"c"})
            self.assertEqual(self.claimed("b", "c"), set())
            DedupeEntry.objects.using(self.database).filter(expires_at__isnull=False).update(expires_at=StoreNow())
            self.assertEqual(self.claimed("a", "b", "c"), {"a", "b"})
            self.assertEqual(self.claimed("a", "b", "c"), set())
        finally:
            del connection.__dict__["mysql_is_mariadb"]
