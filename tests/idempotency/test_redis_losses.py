"""Lines to Redis that are cut when a script is sent: what the repeat finds, and a client that sends it again."""

from contextlib import contextmanager
from urllib.parse import urlsplit

from django.conf import settings
from django.test import TransactionTestCase, override_settings
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as LineCut
from redis.retry import Retry

import services
from django_dist.idempotency.redis_scripts import FINISH, KEEP, TAKE
from django_dist.testing.case import PATIENCE_S
from django_dist.testing.harness import text
from django_dist.testing.leases import SHORT_S, LeaseHarness
from django_dist.testing.steps import Bank
from idempotency.redis_harness import RedisHarness
from processes.proxy import Proxy

SENDS_AGAIN = {"retry": Retry(NoBackoff(), 1), "retry_on_error": [LineCut]}


@services.needs("redis")
class LossTests(RedisHarness, LeaseHarness, TransactionTestCase):
    def policy(self, **keywords):
        return super().policy(**{"lease": SHORT_S, "wait": PATIENCE_S, **keywords})

    @contextmanager
    def relayed(self, **options):
        """Reach Redis through a proxy, with a client of ``options``; give the proxy."""
        there = urlsplit(services.url("redis"))
        who, at, _ = there.netloc.rpartition("@")
        proxy = Proxy((there.hostname, there.port))
        self.addCleanup(proxy.close)
        here = there._replace(netloc=f"{who}{at}127.0.0.1:{proxy.port}").geturl()
        told = {"SOCKET_TIMEOUT": PATIENCE_S, "CONNECTION_POOL_KWARGS": options}
        entry = {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": here, "OPTIONS": told}
        with override_settings(CACHES={**settings.CACHES, self.connection: entry}):
            self.post(self.idle, key="f" * 32)  # Redis knows the scripts
            yield proxy

    def paying(self, bank, cut, proxy, *, delivered, **step):
        """Return a view that charges once; its line is cut when ``cut`` of "announced", "ended", "answered" comes."""

        def lose(script):
            if not losses:
                losses.append(script)
                proxy.arm(script.sha.upper().encode(), delivered=delivered)

        def charge(key):
            if cut == "ended":
                lose(KEEP)
            return bank.charge(key, 5)

        def pay(request):
            if cut == "announced":
                lose(KEEP)
            paid = request.idempotency.step("charge", charge, **step)
            if cut == "answered":
                lose(FINISH)
            return text(str(paid), status=201)

        losses = []
        return pay

    def lost(self, number, cut, *, delivered):
        """Pay with a line that is cut; return the reply, the repeat's, and how often the bank was called."""
        bank = Bank()
        with self.relayed() as proxy:
            pay = self.paying(bank, cut, proxy, delivered=delivered, on_unknown="hold")
            first, again = (self.post(pay, key=f"{number}" * 32) for _ in range(2))
        self.assertEqual(proxy.cuts, 1)
        return first, again, len(bank.keys)

    def test_result_whose_reply_is_lost_is_found_by_the_repeat_if_it_came(self):
        for delivered in (True, False):
            with self.subTest(delivered=delivered):
                first, again, calls = self.lost(int(delivered), "ended", delivered=delivered)
                self.assert_problem(first, 503, "store-unavailable")
                if delivered:
                    self.assertEqual((again.status, again.replayed), (201, False))
                else:
                    self.assert_problem(again, 409, "outcome-held")
                self.assertEqual(calls, 1)

    def test_call_whose_announcement_is_lost_is_not_made_and_not_unknown(self):
        for delivered in (True, False):
            with self.subTest(delivered=delivered):
                first, again, calls = self.lost(int(delivered), "announced", delivered=delivered)
                self.assert_problem(first, 503, "store-unavailable")
                self.assertEqual((again.status, again.replayed, calls), (201, False, 1))

    def test_answer_whose_reply_is_lost_is_unknown_and_replayed_if_it_came(self):
        for delivered in (True, False):
            with self.subTest(delivered=delivered):
                first, again, calls = self.lost(int(delivered), "answered", delivered=delivered)
                self.assert_problem(first, 503, "outcome-unknown")
                self.assertEqual((again.status, again.replayed, calls), (201, delivered, 1))

    def test_claim_whose_reply_is_lost_is_refused_and_the_view_not_run(self):
        for delivered in (True, False):
            with self.subTest(delivered=delivered), self.relayed() as proxy:
                key = f"{int(delivered)}" * 32
                proxy.arm(TAKE.sha.upper().encode(), delivered=delivered)
                self.assert_problem(self.post(key=key), 503, "store-unavailable")
                self.assertEqual(self.effects(), int(not delivered))
                self.assertEqual(self.post(key=key).status, 201)

    def test_client_that_sends_again_by_itself_notices_no_loss(self):
        for number, cut in enumerate(("claimed", "announced", "ended", "answered")):
            for delivered in (True, False):
                with self.subTest(cut=cut, delivered=delivered), self.relayed(**SENDS_AGAIN) as proxy:
                    self.key, bank = f"{number}{int(delivered)}" * 16, Bank()
                    if cut == "claimed":
                        proxy.arm(TAKE.sha.upper().encode(), delivered=delivered)
                    self.assert_once(self.paying(bank, cut, proxy, delivered=delivered, on_unknown="hold"))
                    self.assertEqual((proxy.cuts, len(bank.keys)), (1, 1))
