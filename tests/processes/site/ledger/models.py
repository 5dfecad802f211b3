"""The effects that the tests count."""

from django.db import models


class Effect(models.Model):
    """One run of a view that lasted; nothing keeps an order from having two."""

    order = models.CharField(max_length=32, db_index=True, db_column="order_name")  # "order" is a word of SQL
    run = models.CharField(max_length=32)
