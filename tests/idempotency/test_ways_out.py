"""Each error that names a way out is tried: what it says to do works."""

from contextlib import suppress

from django.db import connections, transaction
from django.test import TransactionTestCase

from django_dist.exceptions import UnsupportedView
from django_dist.testing.faults import rerouted
from django_dist.testing.harness import Harness, text
from django_dist.testing.stage import PLACES
from services import needs

EXEMPT = "_non_atomic_requests"


class WaysOut(Harness):
    """Views that mode ``atomic`` cannot guard, and mode ``lease`` can."""

    def durable(self, request):
        with transaction.atomic(using=self.database, durable=True):
            self.effect()
        return text("done", status=201)

    def closing(self, request):
        self.effect()
        connections[self.database].close()
        return text("done", status=201)

    def stepping(self, request):
        return text(request.idempotency.step("count", lambda key: str(self.effect())), status=201)

    def test_error_that_names_mode_lease(self):
        for number, view in enumerate((self.durable, self.closing, self.stepping)):
            with self.subTest(view.__name__):
                key = str(number) * 32
                with self.assertRaisesRegex(UnsupportedView, "mode='lease'"):
                    self.post(view, key=key, raises=True)
                self.assertEqual(self.effects(), number)
                with self.policy(mode="lease"):
                    self.assert_once(view, key=key)
                self.assertEqual(self.effects(), number + 1)

    def test_error_that_names_a_block_inside(self):
        def inside(request):
            with transaction.atomic(using=self.database):
                return self.order(request)

        with self.assertRaisesRegex(UnsupportedView, "put it inside"), transaction.atomic(using=self.database):
            self.post(raises=True, place="sync")
        self.assert_once(inside)
        self.assertEqual(self.effects(), 1)

    def test_error_that_names_non_atomic_requests(self):
        view = PLACES["sync"]
        with self.policy(mode="lease"), rerouted(self.database, ATOMIC_REQUESTS=True):
            with self.assertRaisesRegex(UnsupportedView, "non_atomic_requests"):
                self.post(raises=True, place="sync")
            transaction.non_atomic_requests(using=self.database)(view)
            try:
                self.assert_once(place="sync")
            finally:
                with suppress(AttributeError):
                    delattr(view, EXEMPT)
        self.assertEqual(self.effects(), 1)


class SQLiteTests(WaysOut, TransactionTestCase):
    database = "default"


class AsyncSQLiteTests(SQLiteTests):
    asynchronous = True


@needs("postgres")
class PostgreSQLTests(WaysOut, TransactionTestCase):
    database = "postgres"


@needs("mysql")
class MariaDBTests(WaysOut, TransactionTestCase):
    database = "mysql"
