"""The rows that benchmarks/concurrency.py changes, with and without a version, ours and of the peers."""

from importlib.util import find_spec
from typing import Any

from django.db import models

from django_dist.concurrency import GuardedModel, VersionedModel


class Plain(models.Model):
    """What everybody has: a stock and a name."""

    name: Any = models.CharField(max_length=50)
    stock: Any = models.BigIntegerField()

    class Meta:
        app_label = "benchmarks"


class Guarded(GuardedModel):
    """Ours for amounts."""

    name: Any = models.CharField(max_length=50)
    stock: Any = models.BigIntegerField()

    class Meta(GuardedModel.Meta):
        app_label = "benchmarks"


class Versioned(VersionedModel):
    """Ours for versions."""

    name: Any = models.CharField(max_length=50)
    stock: Any = models.BigIntegerField()

    class Meta(VersionedModel.Meta):
        app_label = "benchmarks"


MODELS: list[type[models.Model]] = [Plain, Guarded, Versioned]
#: Names of peers and their model; what is not installed is not there.
PEERS: dict[str, type[models.Model]] = {}

if find_spec("concurrency"):
    from concurrency.fields import AutoIncVersionField

    class DjangoConcurrency(models.Model):
        """django-concurrency."""

        name: Any = models.CharField(max_length=50)
        stock: Any = models.BigIntegerField()
        version: Any = AutoIncVersionField()

        class Meta:
            app_label = "benchmarks"

    PEERS["django-concurrency"] = DjangoConcurrency

if find_spec("ool"):
    from ool import VersionedMixin, VersionField

    class OptimisticLock(VersionedMixin, models.Model):
        """django-optimistic-lock."""

        name: Any = models.CharField(max_length=50)
        stock: Any = models.BigIntegerField()
        version: Any = VersionField()

        class Meta:
            app_label = "benchmarks"

    PEERS["django-optimistic-lock"] = OptimisticLock

MODELS += PEERS.values()
