"""Guarded views inside TestCase, as the tests of an application call them: nothing is left behind."""

from django.db import connection
from django.test import TestCase, override_settings

from django_dist.models import RequestRecord
from idempotency.site import SiteMixin
from testapp.models import Entry


@override_settings(ROOT_URLCONF="testapp.urls")
class InTestCaseTests(SiteMixin, TestCase):
    def test_first_and_repeat(self):
        first = self.post("/django/function", self.alice)
        self.assert_ran(first)
        self.assert_replayed(self.post("/django/function", self.alice), first)
        self.assertEqual((Entry.objects.count(), RequestRecord.objects.count()), (1, 1))

    def test_error_rolls_back_the_view_alone(self):
        Entry.objects.create(text="of the test itself")
        self.assertEqual(self.post("/rest/decorated", self.alice, body=b'{"invalid": true}').status_code, 400)
        self.assertEqual(Entry.objects.get().text, "of the test itself")
        self.assertFalse(connection.needs_rollback)

    def test_on_commit_hooks_wait_for_the_test(self):
        with self.captureOnCommitCallbacks() as callbacks:
            self.assert_ran(self.post("/django/function", self.alice))
        self.assertEqual(callbacks, [])


class AsyncInTestCaseTests(InTestCaseTests):
    asynchronous = True
