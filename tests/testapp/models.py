"""What the views and the admin of the test site write."""

from django.db import models

from django_dist.concurrency import VersionedModel


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
