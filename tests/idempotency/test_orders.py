"""Calls in an odd order: a guard that has ended does not let the next call run unguarded, nor answer for another."""

import subprocess
import sys
import threading
import uuid

import pytest
from django.contrib.auth.models import Group, User
from django.db import OperationalError, connection
from django.http import Http404, HttpResponse
from django.test import Client, TransactionTestCase, override_settings
from django.urls import path

from django_dist.idempotency import idempotent
from django_dist.idempotency.keys import parse_key
from django_dist.models import RequestRecord
from services import needs

STATE = {"fail": False}
CPU_S = 20


@idempotent
def inner(request):
    Group.objects.create(name=uuid.uuid4().hex)
    if STATE.pop("fail", False):
        raise OperationalError("once")
    return HttpResponse("done", status=201)


def retried(request):
    """Try again what failed, as decorators around views do."""
    try:
        return inner(request)
    except OperationalError:
        return inner(request)


def both(request):
    """Call two guarded views."""
    inner(request)
    return inner(request)


@idempotent(scope="credentials")
def by_credentials(request):
    return HttpResponse(request.user.get_username() or "nobody")


@idempotent(using="postgres", wait=5)
def slow(request):
    if request.body == b"first":
        STATE["started"].set()
        STATE["go_on"].wait(10)
        raise Http404
    return HttpResponse("second")


urlpatterns = [path("retried", retried), path("both", both), path("credentials", by_credentials), path("slow", slow)]


def send(url, key, body=b"{}", client=None, **headers):
    client = client or Client(raise_request_exception=False)
    return client.post(url, body, content_type="application/json", headers={"Idempotency-Key": key, **headers})


@override_settings(ROOT_URLCONF=__name__)
class OrderTests(TransactionTestCase):
    def test_second_try_within_one_request_is_guarded_too(self):
        STATE["fail"], key = True, str(uuid.uuid4())
        assert send("/retried", key).status_code == 201
        assert (Group.objects.count(), RequestRecord.objects.count()) == (1, 1)
        assert send("/retried", key).headers["Idempotent-Replayed"] == "true"
        assert Group.objects.count() == 1

    def test_two_guarded_calls_in_one_request_are_repeated_neither(self):
        key = str(uuid.uuid4())
        send("/both", key)
        effects = Group.objects.count()
        send("/both", key)
        assert Group.objects.count() == effects

    def test_session_users_without_credentials_have_keys_of_their_own(self):
        key, answers = str(uuid.uuid4()), []
        for name in ("alice", "bob"):
            client = Client()
            client.force_login(User.objects.create_user(name))
            answers.append(send("/credentials", key, client=client).content)
        answers.append(send("/credentials", key).content)
        assert answers == [b"alice", b"bob", b"nobody"]


def plain(request):
    Group.objects.create(name=uuid.uuid4().hex)
    return HttpResponse(status=204)


urlpatterns.append(path("plain", plain))


@override_settings(ROOT_URLCONF=__name__)
class AllViewsTests(TransactionTestCase):
    def twice(self, method):
        client, key = Client(), str(uuid.uuid4())
        for _ in range(2):
            client.generic(method, "/plain", headers={"Idempotency-Key": key})

    def test_every_unsafe_method_is_guarded(self):
        with override_settings(DIST_IDEMPOTENCY={"default": {"POLICY": {"all_views": True}}}):
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                self.twice(method)
            assert Group.objects.count() == 4
            self.twice("GET")
        assert Group.objects.count() == 6

    def test_the_site_s_own_methods_count(self):
        policy = {"all_views": True, "methods": ["POST"]}
        with override_settings(DIST_IDEMPOTENCY={"default": {"POLICY": policy}}):
            self.twice("PUT")
            self.twice("POST")
        assert Group.objects.count() == 3


STORES = {"default": {}, "postgres": {"OPTIONS": {"database": "postgres"}}}


@needs("postgres")
@override_settings(ROOT_URLCONF=__name__, DIST_IDEMPOTENCY=STORES)
class LateTests(TransactionTestCase):
    databases = {"default", "postgres"}

    def test_refusal_recorded_late_is_not_answered_with_another_request(self):
        """Whoever waited has run under the key meanwhile, with another body."""
        STATE["started"], STATE["go_on"], key, found = threading.Event(), threading.Event(), str(uuid.uuid4()), {}

        def work(body):
            found[body] = send("/slow", key, body)
            connection.close()
            from django.db import connections

            connections["postgres"].close()

        threads = [threading.Thread(target=work, args=[body]) for body in (b"first", b"second")]
        threads[0].start()
        STATE["started"].wait(10)
        threads[1].start()
        STATE["go_on"].set()
        for thread in threads:
            thread.join(20)
        assert found[b"first"].content != b"second"
        assert found[b"first"].status_code in (404, 422)


def test_ninja_in_the_wrong_order_is_an_error():
    def view(request): ...

    view._ninja_operation = object()
    with pytest.raises(TypeError, match="below"):
        idempotent(view)


def test_blanks_between_items_are_passed_over():
    key = "9f8c3a52-6f5b-4f0e-8a3c-2d1b7e4a9c10"
    assert parse_key("Idempotency-Key", f'  "{key}"  ,   {key} ', "uuid") == key.replace("-", "")


FLOOD = f"""
import resource
resource.setrlimit(resource.RLIMIT_CPU, ({CPU_S}, {CPU_S}))
import django_dist.idempotency.keys as keys
raw = " " * 100_000 + '"never closed'
assert keys._items(raw) == [raw]
"""


def test_header_of_many_blanks_is_read_in_linear_work():
    """The kernel ends a process that needs more; two runs of blanks side by side in the pattern would take it days."""
    subprocess.run([sys.executable, "-c", FLOOD], check=True, cwd=sys.prefix)
