"""Over Django REST framework If-Match is carried down into the UPDATE."""

from unittest import mock

import pytest
from django.db import connections
from django.test import Client, TransactionTestCase

from django_dist.testing.concurrency_models import Stock, Ware
from services import needs

pytest.importorskip("rest_framework")

from .rest_site import NOW, OverREST


class Headers(OverREST):
    def test_tag_is_told_when_read_made_and_updated(self):
        self.assertEqual(self.read()["ETag"], '"1"')
        self.assertEqual(self.send("patch", tag='"1"')["ETag"], '"2"')
        self.assertEqual(self.send("put", tag='"2"', body={"name": "x", "money": "1.50"})["ETag"], '"3"')
        self.assertEqual(self.read("generic")["ETag"], '"3"')

    def test_lists_actions_and_refusals_have_no_tag(self):
        for answer in (
            Client().get("/header/"),
            Client().get(f"/header/{self.row.pk}/history/"),
            self.send("patch", tag='"1"', body={"count": "x"}),
        ):
            self.assertNotIn("ETag", answer)

    def test_known_tag_is_answered_with_304(self):
        for tag in ('"1"', 'W/"1"', '"x", "1"', "*"):
            answer = self.read(if_none_match=tag)
            self.assertEqual((answer.status_code, answer.content, answer["ETag"]), (304, b"", '"1"'))
        self.assertEqual(self.read(if_none_match='"2"').status_code, 200)
        self.assertEqual(self.read("generic", if_none_match='"1"').status_code, 200)

    def test_other_weak_and_broken_tags_are_412(self):
        for method in ("put", "patch", "delete"):
            for tag in ('"2"', 'W/"1"', '"x", W/"1"', "1"):
                with self.subTest(method=method, tag=tag):
                    self.assert_refused(self.send(method, tag=tag), 412, "precondition-failed")

    def test_missing_tag_is_428_where_required(self):
        for method in ("put", "patch", "delete"):
            self.assert_refused(self.send(method), 428, "precondition-required")
        self.assertEqual(self.send("options").status_code, 200)
        self.assertEqual(Client().post(f"/header/{self.row.pk}/publish/").status_code, 200)
        self.assertEqual(Client().post(f"/header/{self.row.pk}/publish/", headers={"if-match": '"1"'}).status_code, 412)

    def test_star_is_any_version_of_a_row_that_is_there(self):
        self.assertEqual(self.send("patch", tag="*").status_code, 200)
        self.assertEqual(self.send("patch", tag="*", pk=self.row.pk + 1).status_code, 404)

    def test_change_between_the_check_and_the_write_is_412(self):
        for method in ("put", "patch", "delete"):
            for tag in (self.read()["ETag"], "*"):
                NOW["between"] = lambda: self.change(colour="theirs")
                with self.subTest(method=method, tag=tag):
                    self.assert_refused(self.send(method, tag=tag), 412, "precondition-failed")

    def test_delete_of_the_version_that_was_read(self):
        self.assertEqual(self.send("delete", tag='"1"').status_code, 204)
        self.assertEqual(self.rows(Ware).count(), 0)

    def test_two_puts_at_once_have_one_winner(self):
        for atomic in (False, True):
            with mock.patch.dict(connections[self.database].settings_dict, ATOMIC_REQUESTS=atomic):
                for _ in range(5):
                    tag = self.read()["ETag"]
                    statuses = [
                        answer.status_code for answer in self.at_once([lambda tag=tag: self.send("put", tag=tag)] * 2)
                    ]
                    self.assertEqual(sorted(statuses), [200, 412])

    def test_refusal_rolls_back_what_the_view_wrote(self):
        def between():
            self.make(Ware, name="audit")
            self.row.save()

        NOW["between"] = between
        with mock.patch.dict(connections[self.database].settings_dict, ATOMIC_REQUESTS=True):
            for to, tag, status in (("header", '"1"', 412), ("body", None, 409)):
                answer = self.send("patch", to, {"name": "mine", "version": 1}, tag)
                self.assertEqual((answer.status_code, self.rows(Ware).count()), (status, 1))
                self.row = self.again(self.row)

    def test_row_without_a_version_is_told(self):
        row = self.make(Stock)
        self.assertNotIn("ETag", Client().get(f"/unversioned/{row.pk}/"))
        with pytest.raises(TypeError, match="VersionedModel"):
            Client().put(f"/unversioned/{row.pk}/", {"count": 3}, "application/json", headers={"if-match": '"1"'})


class SQLiteTests(Headers, TransactionTestCase):
    database = "default"


@needs("postgres")
class PostgreSQLTests(Headers, TransactionTestCase):
    database = "postgres"


@needs("mysql")
class MariaDBTests(Headers, TransactionTestCase):
    database = "mysql"


del Headers, OverREST
