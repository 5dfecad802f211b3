"""What the views and the admin of the test site write."""

from django.db import models

from django_dist.concurrency import VersionedModel
from django_dist.locks.fenced import FencedModel


class Entry(models.Model):
    """One effect."""

    text = models.CharField(max_length=100)

    class Meta:
        permissions = [("write", "Can write entries")]

    def __str__(self) -> str:
        return str(self.text)


class Article(VersionedModel):
    """What editors edit: a field of each kind."""

    title = models.CharField(max_length=100)
    body = models.TextField(blank=True)
    price = models.DecimalField(max_digits=8, decimal_places=2, default=0)
    public = models.BooleanField(default=False)
    kind = models.CharField(max_length=10, choices=[("n", "News"), ("e", "Essay")], default="n")
    due = models.DateTimeField(null=True, blank=True)
    paper = models.FileField(blank=True)
    about = models.ForeignKey(Entry, null=True, blank=True, on_delete=models.CASCADE)
    others = models.ManyToManyField(Entry, blank=True, related_name="+")

    def __str__(self) -> str:
        return str(self.title)


class Chapter(VersionedModel):
    """What hangs on an article, edited with it."""

    article = models.ForeignKey(Article, on_delete=models.CASCADE)
    title = models.CharField(max_length=100)
    pages = models.IntegerField(default=0)

    def __str__(self) -> str:
        return str(self.title)


class Account(FencedModel):
    """What is changed under a lock: found by its number or its town, and by its owner without an index."""

    number = models.IntegerField(unique=True)
    town = models.CharField(max_length=20, db_index=True)
    owner = models.CharField(max_length=20)
    balance = models.IntegerField(default=0)

    def __str__(self) -> str:
        return str(self.number)


class Savings(Account):
    """A table of its own beside that of a fenced one."""

    rate = models.IntegerField(default=0)


class Ledger(VersionedModel, FencedModel):
    """What is changed under a lock, and by people who hold none."""

    balance = models.IntegerField(default=0)

    def __str__(self) -> str:
        return str(self.balance)
