"""Two aliases of DIST_IDEMPOTENCY that keep their records in one database, and guarded views that call each other."""

import uuid

from django.contrib.auth.models import Group
from django.db import connection
from django.http import HttpResponse
from django.test import Client, TransactionTestCase, override_settings
from django.urls import path

from django_dist.idempotency import idempotent
from django_dist.models import RequestRecord
from django_dist.testing.faults import rerouted

STORES = {"default": {}, "payments": {"OPTIONS": {"database": "default"}}}
STATE = {"fail": False}


@idempotent(using="payments")
def pay(request):
    Group.objects.create(name=f"pay {uuid.uuid4()}")
    if STATE["fail"]:
        raise ValueError("on purpose")
    return HttpResponse("paid", status=201)


@idempotent
def order(request):
    """Call a guarded view from within another: one request, one record."""
    Group.objects.create(name=f"order {uuid.uuid4()}")
    return pay(request)


def either(request):
    """Call one guarded view or the other: under ATOMIC_REQUESTS both stores are got ready."""
    return order(request) if request.headers.get("X-Which") == "order" else pay(request)


urlpatterns = [path("pay", pay), path("order", order), path("either", either)]


@override_settings(ROOT_URLCONF=__name__, DIST_IDEMPOTENCY=STORES)
class TwoAliasesTests(TransactionTestCase):
    def setUp(self):
        STATE["fail"] = False

    def post(self, url, **headers):
        key = headers.pop("key", self.id())
        key = str(uuid.uuid5(uuid.NAMESPACE_URL, key))
        return Client(raise_request_exception=False).post(url, headers={"Idempotency-Key": key, **headers})

    def assert_once(self, url, effects, **headers):
        self.assertEqual(self.post(url, **headers).status_code, 201)
        again = self.post(url, **headers)
        self.assertEqual((again.status_code, again.headers["Idempotent-Replayed"]), (201, "true"))
        self.assertEqual((Group.objects.count(), RequestRecord.objects.count()), (effects, 1))
        self.assertFalse(connection.in_atomic_block)

    def assert_undone(self, url, **headers):
        STATE["fail"] = True
        self.assertEqual(self.post(url, **headers).status_code, 500)
        self.assertEqual((Group.objects.count(), RequestRecord.objects.count()), (0, 0))
        self.assertFalse(connection.in_atomic_block)
        STATE["fail"] = False

    def test_guarded_view_within_a_guarded_view(self):
        self.assert_undone("/order")
        self.assert_once("/order", effects=2)

    def test_each_alias_under_atomic_requests(self):
        with rerouted("default", ATOMIC_REQUESTS=True):
            for which, effects in (("order", 2), ("pay", 1)):
                with self.subTest(which):
                    self.assert_undone("/either", x_which=which, key=which)
                    self.assert_once("/either", effects=effects, x_which=which, key=which)
                    Group.objects.all().delete()
                    RequestRecord.objects.all().delete()
