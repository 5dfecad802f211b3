"""dist_complete inside TestCase, as the tests of an application call it: connection and transaction stay."""

from django.db import connection
from django.http import HttpResponse
from django.test import TestCase, override_settings
from django.urls import path

from django_dist.idempotency import idempotent
from idempotency.completion import complete
from idempotency.site import SiteMixin
from testapp.models import Entry

POLICY = {"mode": "lease", "completes": True, "keep_request": "plain", "wait": 0}
FAILURES = []


@idempotent
def paying(request):
    request.idempotency.step("pay", lambda key: Entry.objects.create(text="paid").pk)
    if FAILURES:
        raise FAILURES.pop()
    with request.idempotency.finishing():
        Entry.objects.create(text="done")
    return HttpResponse(status=201)


urlpatterns = [path("paying", paying)]


@override_settings(ROOT_URLCONF=__name__, DIST_IDEMPOTENCY={"default": {"POLICY": POLICY}})
class InTestCaseTests(SiteMixin, TestCase):
    def test_request_is_completed_in_the_transaction_of_the_test(self):
        Entry.objects.create(text="of the test itself")
        FAILURES[:] = [ValueError("on purpose")]
        self.assertEqual(self.post("/paying").status_code, 500)
        self.assertIn("1 completed", complete())
        self.assertFalse(connection.closed_in_transaction)
        self.assertEqual(self.post("/paying").headers.get("Idempotent-Replayed"), "true")
        texts = Entry.objects.order_by("text").values_list("text", flat=True)
        self.assertEqual(list(texts), ["done", "of the test itself", "paid"])

    def test_nothing_is_left_behind(self):
        self.assertEqual(Entry.objects.count(), 0)
