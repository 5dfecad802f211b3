"""The tables of the concurrency suite: one for each way in which a model may hold its version."""

import sys
from decimal import Decimal
from typing import Any, Final

from django.apps import AppConfig
from django.apps.registry import Apps
from django.db import models

from ..concurrency import GuardedModel, VersionedModel, VersionField

#: Apart from the project's own models, so that no migration and no flush knows of these.
APART: Final = Apps()


class Stock(GuardedModel):
    """Amounts without a version."""

    count: "models.Field[Any, Any]" = models.IntegerField(default=0)
    maybe: "models.Field[Any, Any]" = models.IntegerField(null=True)
    money: "models.Field[Any, Any]" = models.DecimalField(max_digits=8, decimal_places=2, default=Decimal(0))
    share: "models.Field[Any, Any]" = models.FloatField(default=0.0)

    class Meta:
        app_label = "django_dist"
        apps = APART
        db_table = "django_dist_testing_stock"


class Ware(VersionedModel, GuardedModel):
    """A version, amounts, and a key that can clash."""

    name: "models.Field[Any, Any]" = models.CharField(max_length=50, default="")
    colour: "models.Field[Any, Any]" = models.CharField(max_length=50, default="")
    code: "models.Field[Any, Any]" = models.CharField(max_length=50, null=True, unique=True)
    count: "models.Field[Any, Any]" = models.IntegerField(default=0)
    money: "models.Field[Any, Any]" = models.DecimalField(max_digits=8, decimal_places=2, default=Decimal(0))

    class Meta:
        app_label = "django_dist"
        apps = APART
        db_table = "django_dist_testing_ware"


class WareProxy(Ware):
    """The same rows under another name."""

    class Meta:
        app_label = "django_dist"
        apps = APART
        proxy = True


class Part(VersionedModel):
    """What hangs on a ware, and what is set to NULL with one."""

    ware: "models.Field[Any, Any]" = models.ForeignKey(Ware, on_delete=models.CASCADE)
    spare: "models.Field[Any, Any]" = models.ForeignKey(Ware, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        app_label = "django_dist"
        apps = APART
        db_table = "django_dist_testing_part"


class Book(Ware):
    """A table of its own, the version in its parent's."""

    pages: "models.Field[Any, Any]" = models.IntegerField(default=0)

    class Meta:
        app_label = "django_dist"
        apps = APART
        db_table = "django_dist_testing_book"


class Place(models.Model):
    """A parent without a version."""

    name: "models.Field[Any, Any]" = models.CharField(max_length=50, default="")
    seats: "models.Field[Any, Any]" = models.IntegerField(default=0)

    class Meta:
        app_label = "django_dist"
        apps = APART
        db_table = "django_dist_testing_place"


class Cafe(VersionedModel, GuardedModel, Place):
    """The version in the table of the child, under another name."""

    version = None
    revision = VersionField()
    menu: "models.Field[Any, Any]" = models.CharField(max_length=50, default="")

    class Meta:
        app_label = "django_dist"
        apps = APART
        db_table = "django_dist_testing_cafe"


class Still(VersionedModel):
    """A version that stays where nothing changes."""

    bump_on_no_change = False
    name: "models.Field[Any, Any]" = models.CharField(max_length=50, default="")

    class Meta:
        app_label = "django_dist"
        apps = APART
        db_table = "django_dist_testing_still"


class Shelf(VersionedModel, GuardedModel):
    """A key of two columns."""

    pk = models.CompositePrimaryKey("hall", "number")
    hall: "models.Field[Any, Any]" = models.IntegerField()
    number: "models.Field[Any, Any]" = models.IntegerField()
    name: "models.Field[Any, Any]" = models.CharField(max_length=50, default="")
    count: "models.Field[Any, Any]" = models.IntegerField(default=0)

    class Meta:
        app_label = "django_dist"
        apps = APART
        db_table = "django_dist_testing_shelf"


_config = AppConfig("django_dist", sys.modules["django_dist"])
_config.apps = APART
_config.models = APART.all_models["django_dist"]
APART.app_configs["django_dist"] = _config  # so that models find what refers to them
APART.apps_ready = APART.models_ready = APART.ready = True
APART.clear_cache()
TABLES: list[type[models.Model]] = [Stock, Ware, Part, Book, Place, Cafe, Still, Shelf]
