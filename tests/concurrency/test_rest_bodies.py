"""Over Django REST framework a version in the body is checked, and a stale one answered with both sides."""

import pytest
from django.db import connections
from django.test import TransactionTestCase

from django_dist.testing.concurrency_models import Part, Ware
from django_dist.testing.faults import rerouted
from services import needs

pytest.importorskip("rest_framework")

from rest_framework import serializers

from django_dist.contrib.rest_framework import VersionConflict, VersionField

from .rest_site import NOW, OverREST, VersionedSerializer


class Bodies(OverREST):
    def save(self, to="body", **body):
        return self.send("patch", to, {"name": "mine", **body})

    def test_version_comes_out_and_goes_in(self):
        self.assertEqual(self.read("body").json()["version"], 1)
        answer = self.save(version=1)
        self.assertEqual((answer.status_code, answer.json()["version"], answer["ETag"]), (200, 2, '"2"'))

    def test_update_needs_the_version_and_a_create_none(self):
        for method in ("put", "patch"):
            for version in ({}, {"version": None}, {"version": "x"}, {"version": 0}):
                answer = self.send(method, "body", {"name": "mine", **version})
                self.assertEqual((answer.status_code, list(answer.json())), (400, ["version"]))
        self.assertEqual(self.send("patch", "body", tag='"1"').status_code, 200)
        made = VersionedSerializer(data={"name": "new"})
        self.assertTrue(made.is_valid())
        self.assertNotIn("version", made.validated_data)

    def test_stale_version_is_409_with_both_sides(self):
        self.change(name="theirs", count=5)
        answer = self.save(version=1, money="2.5", secret="blue")
        self.assert_refused(answer, 409, "stale-version")
        self.assertEqual(answer.json()["version"], 2)
        self.assertEqual(
            answer.json()["changes"],
            {"name": {"mine": "mine", "theirs": "theirs"}, "money": {"mine": "2.50", "theirs": "0.00"}},
        )
        self.assertEqual(self.save(version=3).status_code, 409)

    def test_what_is_not_valid_is_shown_as_it_was_sent(self):
        self.change(name="theirs")
        changes = self.save(version=1, count="many").json()["changes"]
        self.assertEqual(changes["count"], {"mine": "many", "theirs": 1})

    def test_conflict_in_the_update_shows_three_ways(self):
        NOW["between"] = lambda: self.change(name="theirs", count=5)
        answer = self.save(version=1, money="2.5", secret="blue")
        self.assert_refused(answer, 409, "stale-version")
        self.assertEqual(
            answer.json()["changes"],
            {
                "name": {"original": "first", "mine": "mine", "theirs": "theirs"},
                "count": {"original": 1, "mine": 1, "theirs": 5},
                "money": {"original": "0.00", "mine": "2.50", "theirs": "0.00"},
            },
        )

    def test_nothing_is_shown_that_the_client_may_not_read(self):
        NOW["hidden"] = True
        NOW["between"] = lambda: self.change(name="theirs", count=5, colour="theirs")
        told = self.save(version=1, count=3, secret="blue")
        self.assertEqual(list(told.json()["changes"]), ["name"])
        told = self.save(version=1, count=4, secret="blue")
        self.assertEqual((told.status_code, list(told.json()["changes"])), (409, ["name"]))
        self.rows(Ware).update(name="first")
        version = self.again(self.row).version
        for change in ({"name": "closed"}, None):
            NOW["between"] = lambda change=change: self.change(**change) if change else self.elsewhere(self.remove)
            told = self.save(version=version)
            self.assert_refused(told, 409, "stale-version")
            self.assertEqual(sorted(told.json()), ["detail", "status", "title", "type"])
            self.rows(Ware).update(name="first")
            version = version + 2

    def remove(self):
        self.rows(Ware).filter(pk=self.row.pk).delete()
        self.row = self.make(Ware)

    def test_field_alone_is_409_too(self):
        self.change(name="theirs")
        answer = self.save("alone", version=1)
        self.assertEqual((answer.status_code, answer.json()["type"]), (409, "urn:django-dist:problem:stale-version"))
        self.assertEqual(answer.json()["changes"], {"name": {"mine": "mine", "theirs": "theirs"}})

    def test_conflict_without_header_and_field_tells_no_version(self):
        NOW["between"] = lambda: self.change(name="theirs")
        answer = self.save("loose")
        self.assert_refused(answer, 409, "stale-version")
        self.assertNotIn("version", answer.json())
        self.assertEqual(answer.json()["changes"], {"name": {"original": "first", "mine": "mine", "theirs": "theirs"}})

    def test_what_the_client_cannot_write_is_not_told_as_his(self):
        class ReadOnly(VersionedSerializer):
            count = serializers.IntegerField(read_only=True, default=7)

        self.change(name="theirs")
        with pytest.raises(VersionConflict) as caught:
            ReadOnly(self.again(self.row), data={"version": 1, "name": "mine", "count": 9, "id": 9}).is_valid()
        self.assertEqual(list(caught.value.detail["changes"]), ["name"])

    def test_instance_is_left_as_it_was_read(self):
        first, other = self.make(Ware), self.make(Ware)
        part = self.make(Part, ware=first, spare=first)

        class PartSerializer(serializers.ModelSerializer):
            spare = serializers.PrimaryKeyRelatedField(queryset=self.rows(Ware))
            version = VersionField()

            class Meta:
                model = Part
                fields = ["spare", "version"]

        self.assertEqual(part.spare, first)
        with pytest.raises(VersionConflict) as caught:
            PartSerializer(part, data={"version": 9, "spare": other.pk}).is_valid()
        self.assertEqual(caught.value.detail["changes"], {"spare": {"mine": other.pk, "theirs": first.pk}})
        self.assertEqual(part.spare, first)

    def test_matching_header_with_a_stale_body_is_409(self):
        self.change(name="theirs")
        self.assert_refused(self.send("patch", "body", {"name": "mine", "version": 1}, '"2"'), 409, "stale-version")

    def test_list_of_rows_keeps_each_version(self):
        serializer = VersionedSerializer([self.row], data=[{"version": 7, "name": "x"}], many=True)
        self.assertTrue(serializer.is_valid(), serializer.errors)
        self.assertEqual(serializer.validated_data[0]["version"], 7)

    def test_two_bodies_at_once_have_one_winner(self):
        for _ in range(5):
            version = self.read("body").json()["version"]
            answers = self.at_once([lambda version=version: self.save(version=version)] * 2)
            self.assertEqual(sorted(answer.status_code for answer in answers), [200, 409])

    def test_snapshot_that_does_not_show_the_change_shows_no_side(self):
        levels = {"postgresql": 3, "mysql": "repeatable read"}  # 3 is psycopg's IsolationLevel.REPEATABLE_READ
        connection = connections[self.database]
        if connection.vendor not in levels:
            self.skipTest("SQLite lets no other write meanwhile")
        NOW["between"] = lambda: self.change(name="theirs")
        options = {**connection.settings_dict["OPTIONS"], "isolation_level": levels[connection.vendor]}
        with rerouted(self.database, ATOMIC_REQUESTS=True, OPTIONS=options):
            answer = self.save(version=1)
        self.assert_refused(answer, 409, "stale-version")
        self.assertNotIn("changes", answer.json())


class SQLiteTests(Bodies, TransactionTestCase):
    database = "default"


@needs("postgres")
class PostgreSQLTests(Bodies, TransactionTestCase):
    database = "postgres"


@needs("mysql")
class MariaDBTests(Bodies, TransactionTestCase):
    database = "mysql"


del Bodies, OverREST
