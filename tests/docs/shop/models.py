"""What the pages import from shop.models."""

from django.db import models

from django_dist.concurrency import GuardedModel, VersionedModel
from django_dist.locks.fenced import FencedModel


class Order(models.Model):
    """An order, as simple as can be."""

    item = models.CharField(max_length=100)
    paid = models.BooleanField(default=False)

    class Meta:
        app_label = "shop"


class Product(VersionedModel, GuardedModel):
    """What is edited and sold."""

    name = models.CharField(max_length=100)
    stock = models.IntegerField(default=0)

    class Meta:
        app_label = "shop"


class Account(FencedModel):
    """What is written under a lock."""

    balance = models.IntegerField(default=0)

    class Meta:
        app_label = "shop"
