"""If-Match is carried down into the UPDATE; 412 and 428 by RFC 9110 and RFC 6585."""

import asyncio
import json
from unittest import mock

import pytest
from asgiref.sync import iscoroutinefunction, sync_to_async
from django.db import connections, transaction
from django.http import HttpResponse, JsonResponse
from django.test import RequestFactory, SimpleTestCase, TransactionTestCase
from django.utils.decorators import method_decorator
from django.views import View

from django_dist.concurrency import check_match, conditional, etag, with_etag
from django_dist.exceptions import PreconditionFailed
from django_dist.testing.concurrency_harness import ConcurrencyHarness
from django_dist.testing.concurrency_models import Stock, Ware
from lengths import rounds
from services import needs


class OverHTTP(ConcurrencyHarness):
    def setUp(self):
        super().setUp()
        self.row = self.make(Ware, name="first")
        self.between = lambda: None
        self.required = True

    @property
    def view(self):
        @conditional
        def put(request):
            row = self.rows(Ware).get(pk=self.row.pk)
            check_match(request, row, required=self.required)
            self.between()
            row.name = "mine"
            row.save()
            return with_etag(JsonResponse({"name": row.name}), row)

        return put

    def put(self, tag=None):
        headers = {} if tag is None else {"if-match": tag}
        return self.view(RequestFactory().put("/", headers=headers))

    def assert_refused(self, answer, status, name):
        self.assertEqual((answer.status_code, answer["Content-Type"]), (status, "application/problem+json"))
        self.assertEqual(json.loads(answer.content)["type"], "urn:django-dist:problem:" + name)
        self.assertEqual(self.again(self.row).name, "first")

    def test_tag_that_was_read_is_taken_and_the_next_one_sent(self):
        for tag in ('"1"', '"x", "2"', ' "3" ,, W/"9"', "*"):
            self.assertEqual(self.put(tag).status_code, 200)
        self.assertEqual((etag(self.again(self.row)), self.put('"5"')["ETag"]), ('"5"', '"6"'))

    def test_other_weak_and_broken_tags_are_412(self):
        for tag in ('"2"', 'W/"1"', '"x", W/"1"', "1", '"1', ""):
            with self.subTest(tag):
                self.assert_refused(self.put(tag), 412, "precondition-failed")

    def test_missing_tag_is_428_where_required(self):
        self.assert_refused(self.put(), 428, "precondition-required")
        self.required = False
        self.assertEqual(self.put().status_code, 200)

    def test_change_between_the_check_and_the_save_is_412(self):
        for tag in ('"1"', "*"):
            self.between = lambda: self.elsewhere(lambda: self.again(self.row).save())
            self.assert_refused(self.put(tag if tag == "*" else etag(self.again(self.row))), 412, "precondition-failed")

    def test_two_puts_at_once_have_one_winner(self):
        for _ in range(rounds(10, 200)):
            tag = etag(self.again(self.row))
            statuses = [answer.status_code for answer in self.at_once([lambda tag=tag: self.put(tag)] * 2)]
            self.assertEqual(sorted(statuses), [200, 412])

    def test_conflict_without_a_tag_is_409(self):
        self.required = False
        self.between = lambda: self.elsewhere(lambda: self.again(self.row).save())
        self.assert_refused(self.put(), 409, "stale-version")

    def test_refusal_rolls_back_what_the_view_wrote(self):
        def between():
            self.make(Ware, name="audit")
            self.again(self.row).save()

        self.between = between
        with mock.patch.dict(connections[self.database].settings_dict, ATOMIC_REQUESTS=True):
            with transaction.atomic(self.database):  # as Django puts it around a view
                answer = self.put('"1"')
            self.assert_refused(answer, 412, "precondition-failed")
        self.assertEqual((self.rows(Ware).count(), self.again(self.row).version), (1, 1))

    def test_async_view_is_answered(self):
        @conditional
        async def aput(request):
            row = await self.rows(Ware).aget(pk=self.row.pk)
            check_match(request, row)
            await sync_to_async(self.between)()
            row.name = "mine"
            await row.asave()
            return with_etag(JsonResponse({}), row)

        async def put(tag):
            answer = await aput(RequestFactory().put("/", headers={"if-match": tag}))
            await sync_to_async(lambda: connections[self.database].close())()
            return answer

        self.assertTrue(iscoroutinefunction(aput))  # else Django would call it in a thread
        self.assertEqual(asyncio.run(put('"1"'))["ETag"], '"2"')
        self.rows(Ware).update(name="first")
        self.between = lambda: self.again(self.row).save()
        for tag in ('"1"', '"3"'):
            self.assert_refused(asyncio.run(put(tag)), 412, "precondition-failed")

    def test_model_without_a_version_has_no_tag(self):
        with pytest.raises(TypeError, match="VersionedModel"):
            etag(Stock())


class Classes(SimpleTestCase):
    """However a class is decorated, sync or async, what it raises is answered."""

    def answers(self, view):
        for method in ("get", "put"):
            answer = view(getattr(RequestFactory(), method)("/"))
            yield (asyncio.run(awaited(answer)) if hasattr(answer, "__await__") else answer).status_code

    def test_sync_class_is_answered(self):
        for name in ("dispatch", "put"):
            view = method_decorator(conditional, name=name)(type("Heir", (Sync,), dict(vars(Sync)))).as_view()
            self.assertEqual(list(self.answers(view)), [200, 412])
        self.assertEqual(list(self.answers(conditional(Sync.as_view()))), [200, 412])

    def test_async_class_is_answered(self):
        for name in ("dispatch", "put"):
            view = method_decorator(conditional, name=name)(type("Heir", (Async,), dict(vars(Async)))).as_view()
            self.assertEqual(list(self.answers(view)), [200, 412])
        self.assertEqual(list(self.answers(conditional(Async.as_view()))), [200, 412])


class Sync(View):
    def get(self, request):
        return HttpResponse()

    def put(self, request):
        raise PreconditionFailed("x")


class Async(View):
    async def get(self, request):
        return HttpResponse()

    async def put(self, request):
        raise PreconditionFailed("x")


async def awaited(answer):
    return await answer


class SQLiteTests(OverHTTP, TransactionTestCase):
    database = "default"


@needs("postgres")
class PostgreSQLTests(OverHTTP, TransactionTestCase):
    database = "postgres"


@needs("mysql")
class MariaDBTests(OverHTTP, TransactionTestCase):
    database = "mysql"


del OverHTTP
