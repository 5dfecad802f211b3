"""finishing() in an async view: on the request's thread, in a function that sync_to_async() calls."""

import asyncio
import uuid

from asgiref.sync import sync_to_async
from django.core.exceptions import SynchronousOnlyOperation
from django.db import connection
from django.http import HttpResponse
from django.test import TransactionTestCase, override_settings
from django.urls import path

from django_dist.exceptions import UnsupportedView
from django_dist.idempotency import idempotent
from django_dist.models import RequestRecord
from testapp.models import Entry


@idempotent(mode="lease")
async def by_thread(request):
    """Write last on the request's thread; the block is left, and its transaction stays open."""

    def write():
        with request.idempotency.finishing():
            Entry.objects.create(text="last")

    await sync_to_async(write)()
    if "X-Fail" in request.headers:
        raise RuntimeError("after the last writes")
    return HttpResponse("done", status=201)


@idempotent(mode="lease")
async def on_the_loop(request):
    """Write last on the event loop, where Django lets nobody ask a database."""
    with request.idempotency.finishing():
        await Entry.objects.acreate(text="last")
    return HttpResponse("done", status=201)


@idempotent(mode="lease")
async def by_another_thread(request):
    """Write last on a thread whose connection nobody commits."""

    def write():
        try:
            with request.idempotency.finishing():
                Entry.objects.create(text="last")
        finally:
            connection.close()  # this thread's own

    await sync_to_async(write, thread_sensitive=False)()
    return HttpResponse("done", status=201)


urlpatterns = [path("thread", by_thread), path("loop", on_the_loop), path("another", by_another_thread)]


@override_settings(ROOT_URLCONF=__name__)
class SQLiteTests(TransactionTestCase):
    def send(self, page, **headers):
        key = {"Idempotency-Key": str(uuid.uuid4())}
        return asyncio.run(self.async_client.post(page, headers={**key, **headers}))

    def test_last_writes_are_committed_with_the_answer(self):
        self.assertEqual(self.send("/thread").status_code, 201)
        self.assertEqual((Entry.objects.count(), RequestRecord.objects.count()), (1, 1))

    def test_last_writes_of_a_view_that_fails_are_undone(self):
        with self.assertRaisesMessage(RuntimeError, "after the last writes"):
            self.send("/thread", **{"X-Fail": "1"})
        self.assertEqual((Entry.objects.count(), RequestRecord.objects.count()), (0, 0))

    def test_event_loop_is_refused_and_nothing_is_left(self):
        with self.assertRaises((UnsupportedView, SynchronousOnlyOperation)):  # by what thread the loop has
            self.send("/loop")
        self.assertEqual((Entry.objects.count(), RequestRecord.objects.count()), (0, 0))

    def test_another_thread_is_refused_and_nothing_is_left(self):
        with self.assertRaisesMessage(UnsupportedView, "on another thread than the request's"):
            self.send("/another")
        self.assertEqual((Entry.objects.count(), RequestRecord.objects.count()), (0, 0))
