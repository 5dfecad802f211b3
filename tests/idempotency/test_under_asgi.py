"""What only an ASGI server does: bodies without a length, and requests that are cancelled before they are guarded."""

import asyncio
import threading
import uuid
from contextlib import suppress

from asgiref.sync import async_to_sync
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth.models import Group
from django.core.handlers.asgi import ASGIHandler
from django.db import connection
from django.http import HttpResponse
from django.test import AsyncClient, Client, TransactionTestCase, override_settings
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from django_dist.idempotency import idempotent
from django_dist.models import RequestRecord

PATIENCE_S = 10


@csrf_exempt
@idempotent(wait=0)
def order(request):
    Group.objects.create(name=uuid.uuid4().hex)
    return HttpResponse("done", status=201)


class Gate:
    """Where a view stands still on its thread until the test lets it go on."""

    def __init__(self):
        self.reached, self.go = threading.Event(), threading.Event()

    def pass_through(self):
        self.reached.set()
        self.go.wait(PATIENCE_S)


GATES = {"gate": Gate()}


def late(request):
    """Come to the guard when the client is gone already."""
    GATES["gate"].pass_through()
    return order(request)


urlpatterns = [path("order", order), path("late", late)]


def form(boundary, item):
    disposition = 'Content-Disposition: form-data; name="item"'
    return f"--{boundary}\r\n{disposition}\r\n\r\n{item}\r\n--{boundary}--\r\n".encode()


async def asend(key, boundary, item):
    """Send a form in two pieces, as a chunked request arrives: nothing tells its length."""
    content_type = f"multipart/form-data; boundary={boundary}".encode()
    headers = [(b"host", b"testserver"), (b"idempotency-key", key.encode()), (b"content-type", content_type)]
    scope = {"type": "http", "method": "POST", "path": "/order", "query_string": b"", "headers": headers}
    server = ApplicationCommunicator(ASGIHandler(), scope)
    body = form(boundary, item)
    await server.send_input({"type": "http.request", "body": body[:20], "more_body": True})
    await server.send_input({"type": "http.request", "body": body[20:], "more_body": False})
    started = await server.receive_output(PATIENCE_S)
    await server.receive_output(PATIENCE_S)
    await server.wait(PATIENCE_S)
    return started["status"], (b"Idempotent-Replayed", b"true") in started["headers"]


@override_settings(ROOT_URLCONF=__name__)
class ChunkedFormTests(TransactionTestCase):
    def send(self, *args):
        return async_to_sync(asend)(*args)

    def test_form_without_a_length_is_known_by_its_content(self):
        key = str(uuid.uuid4())
        self.assertEqual(self.send(key, "one", "tea"), (201, False))
        self.assertEqual(self.send(key, "two", "tea"), (201, True))
        self.assertEqual(self.send(key, "one", "ale"), (422, False))
        self.assertEqual(Group.objects.count(), 1)


@override_settings(ROOT_URLCONF=__name__)
class CancelledTests(TransactionTestCase):
    def test_request_cancelled_before_its_guard_leaves_nothing_open(self):
        gate = GATES["gate"] = Gate()
        key = {"Idempotency-Key": str(uuid.uuid4())}

        async def cancel():
            request = asyncio.ensure_future(AsyncClient().post("/late", headers=key))
            await asyncio.to_thread(gate.reached.wait, PATIENCE_S)
            request.cancel()
            for _ in range(10):  # the middleware hears of it while the view's thread stands still
                await asyncio.sleep(0)
            gate.go.set()
            with suppress(asyncio.CancelledError):
                await request

        async_to_sync(cancel)()
        self.assertFalse(connection.in_atomic_block)
        # The record ends finished, or nothing is left.
        self.assertEqual(Group.objects.count(), RequestRecord.objects.count())
        self.assertEqual(Client().post("/late", headers=key).status_code, 201)
        self.assertEqual(Group.objects.count(), 1)
