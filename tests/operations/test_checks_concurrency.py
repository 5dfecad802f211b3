"""The system checks of models with versions and amounts, each brought about by a model as a site would write it."""

from unittest import mock

from django.apps import apps
from django.apps.registry import Apps
from django.core.checks import run_checks
from django.db import connections, models
from django.test import SimpleTestCase

from django_dist.concurrency import ConcurrentManager, ConcurrentQuerySet, GuardedModel, VersionedModel, VersionField


class OwnQuerySet(ConcurrentQuerySet):
    pass


class ConcurrencyChecks(SimpleTestCase):
    """Each model is of a registry of its own, so that nothing else sees it."""

    def model(self, *bases, name="Thing", meta=(), **fields):
        attributes = dict(meta, app_label="testapp", apps=Apps())
        model = type(name, bases, {"__module__": __name__, "Meta": type("Meta", (), attributes), **fields})
        seen = mock.patch.object(apps, "get_models", return_value=[model])
        seen.start()
        self.addCleanup(seen.stop)
        return model

    def assert_found(self, *expected):
        found = [message for message in run_checks(tags=["django_dist"]) if message.obj is not None]
        self.assertEqual([message.id for message in found], [f"django_dist.{short}" for short in expected], found)
        self.assertTrue(all(message.hint for message in found))
        return found

    def test_sound_models_are_of_no_concern(self):
        self.model(VersionedModel, GuardedModel, stock=models.IntegerField(default=0))
        self.assert_found()

    def test_manager_of_another_kind_is_told(self):
        for field in ("objects", "published"):
            with self.subTest(field):
                self.model(VersionedModel, **{field: models.Manager()})
                (found,) = self.assert_found("E021")
                self.assertIn(f"Thing.{field}", found.msg)

    def test_base_manager_of_another_kind_is_told(self):
        self.model(VersionedModel, meta={"base_manager_name": "plain"}, plain=models.Manager())
        self.assert_found("E021")

    def test_managers_derived_from_ours_are_sound(self):
        for manager in (ConcurrentManager(), ConcurrentManager.from_queryset(OwnQuerySet)()):
            self.model(VersionedModel, objects=manager)
            self.assert_found()

    def test_version_that_must_be_unique_is_told(self):
        title = models.CharField(max_length=9)
        constraint = models.UniqueConstraint(fields=["title", "version"], name="unique_title")
        for meta in ({"unique_together": [("title", "version")]}, {"constraints": [constraint]}):
            with self.subTest(list(meta)):
                self.model(VersionedModel, title=title.clone(), meta=meta)
                self.assert_found("E022")

    def test_two_versions_are_told(self):
        self.model(VersionedModel, edition=VersionField())
        self.assert_found("E023")

    def test_database_of_another_kind_is_told(self):
        self.model(VersionedModel, GuardedModel)
        with mock.patch.object(type(connections["default"]), "vendor", "oracle"):
            (found,) = self.assert_found("E024")
        self.assertIn("oracle", found.msg)

    def test_guarded_field_that_cannot_be_taken_from_is_told(self):
        wrong = {"none": None, "null": models.IntegerField(null=True), "float": models.FloatField(default=0)}
        for name, field in wrong.items():
            with self.subTest(name):
                self.model(GuardedModel, guarded_fields=["stock"], **({"stock": field} if field else {}))
                self.assert_found("E025")

    def test_numbers_that_nothing_can_be_taken_from_are_told_unless_the_guarded_ones_are_named(self):
        numbers = {"weight": models.FloatField(default=0), "rating": models.IntegerField(null=True)}
        self.model(GuardedModel, stock=models.IntegerField(default=0), **numbers)
        (found,) = self.assert_found("W022")
        self.assertIn("weight, rating", found.msg)
        self.model(GuardedModel, stock=models.IntegerField(default=0), guarded_fields=["stock"], **numbers)
        self.assert_found()
