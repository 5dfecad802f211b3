"""What the pages import from shop.models."""

from django.db import models


class Order(models.Model):
    """An order, as simple as can be."""

    item = models.CharField(max_length=100)
    paid = models.BooleanField(default=False)

    class Meta:
        app_label = "shop"
