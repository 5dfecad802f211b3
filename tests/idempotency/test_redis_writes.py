"""What the view of a request in Redis writes to its database: not committed with a result or the answer, nor undone."""

from django.db import transaction
from django.test import TransactionTestCase

from django_dist.dedupe import claim
from django_dist.exceptions import UnsupportedView
from django_dist.testing.harness import text
from django_dist.testing.leases import SHORT_S, Gone, LeaseHarness
from idempotency.redis_harness import RedisHarness
from services import needs


@needs("redis")
class WritesTests(RedisHarness, LeaseHarness, TransactionTestCase):
    def test_step_in_a_transaction_is_an_error_and_no_result_outlives_its_writes(self):
        def view(request):
            with transaction.atomic(using=self.database):
                request.idempotency.step("write", lambda key: self.effect())
                raise ValueError("never: the row would be gone, and its step would not be called again")

        with self.assertRaisesRegex(UnsupportedView, "a step stands in a transaction of 'default'"):
            self.post(view, raises=True)
        self.assertEqual((self.effects(), self.keys()), (0, []))

    def test_writes_of_a_late_try_stay(self):
        def late(request):
            self.effect()
            self.take_over(request)
            request.idempotency.check()

        with self.policy(lease=SHORT_S):
            self.assert_problem(self.post(late), 409, "lease-lost")
        self.assertEqual(self.effects(), 1)

    def test_row_with_a_claim_of_its_own_is_written_once_by_all_tries(self):
        ends = [Gone(), ValueError("on purpose")]

        def view(request):
            self.effect("each try")
            with transaction.atomic(using=self.database):
                if claim("orders", request.idempotency.derive("order"), using=self.database):
                    self.effect("once")
            if ends:
                raise ends.pop(0)
            return text("", status=201)

        with self.assertRaises(Gone):
            self.post(view, raises=True)
        self.assertEqual(self.post(view).status, 500)
        self.forget()  # as a Redis that was restarted without its data
        self.assert_once(view)
        self.assertEqual((self.effects(what="each try"), self.effects(what="once")), (3, 1))
