"""Claims inside TestCase, as an application's tests make them: they pass where the code is right, and only there."""

from asgiref.sync import sync_to_async
from django.db import transaction
from django.test import TestCase

from django_dist.dedupe import claim, once
from django_dist.exceptions import OutsideAtomic
from django_dist.models import DedupeEntry
from testapp.models import Entry


@once("mail", key=str, keep_result=True)
def handle(message):
    return Entry.objects.create(text=message).text


@once("mail", key=str, keep_result=True)
async def ahandle(message):
    return (await Entry.objects.acreate(text=message)).text


class InTestCaseTests(TestCase):
    def test_first_and_repeat(self):
        self.assertEqual([handle("a"), handle("a")], ["a", "a"])
        self.assertEqual((Entry.objects.count(), DedupeEntry.objects.count()), (1, 1))

    def test_rollback_is_that_of_the_block(self):
        Entry.objects.create(text="of the test itself")
        with transaction.atomic():
            self.assertTrue(claim("mail", "a"))
            transaction.set_rollback(True)
        with transaction.atomic():
            self.assertTrue(claim("mail", "a"))
        self.assertEqual(Entry.objects.get().text, "of the test itself")

    def test_claim_without_a_block_fails_as_it_would_in_service(self):
        with self.assertRaises(OutsideAtomic):
            claim("mail", "a")

    async def test_coroutine_is_in_the_transaction_of_the_test(self):
        self.assertEqual([await ahandle("a"), await ahandle("a")], ["a", "a"])
        self.assertEqual(await Entry.objects.acount(), 1)
        with self.assertRaises(OutsideAtomic):
            await sync_to_async(claim)("mail", "b")

    def test_nothing_is_left_behind(self):
        self.assertEqual((Entry.objects.count(), DedupeEntry.objects.count()), (0, 0))
