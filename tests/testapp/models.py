"""What the views of the test site write."""

from django.db import models


class Entry(models.Model):
    """One effect."""

    text = models.CharField(max_length=100)

    class Meta:
        permissions = [("write", "Can write entries")]
