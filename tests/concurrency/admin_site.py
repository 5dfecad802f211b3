"""The admin of the test site's articles, and editors who use it."""

from django import forms
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client, TestCase, override_settings
from django.urls import path

from django_dist.concurrency.admin import VersionedModelAdmin, VersionedTabularInline
from testapp.models import Article, Chapter

from .browsing import Editor

SITE = admin.AdminSite("versions")
URL = "/admin/testapp/article/"
DATABASE = {"name": "default"}


class Chapters(VersionedTabularInline):
    model = Chapter
    extra = 1


class Articles(VersionedModelAdmin):
    inlines = [Chapters]
    list_display = ["pk", "title", "kind", "public"]
    list_editable = ["title", "public"]

    def get_queryset(self, request):
        return super().get_queryset(request).using(DATABASE["name"])


class ChapterAdmin(VersionedModelAdmin):
    """Fields named, in fieldsets, and a form of one's own."""

    fieldsets = [(None, {"fields": ["title"]}), ("More", {"fields": ["pages"]})]
    readonly_fields = ["article"]

    class form(forms.ModelForm):  # noqa: N801
        class Meta:
            model = Chapter
            fields = ["title", "pages"]


SITE.register(Article, Articles)
SITE.register(Chapter, ChapterAdmin)
urlpatterns = [path("admin/", SITE.urls)]


def editor(name, **kwargs):
    """Return an editor who is logged in."""
    user = User.objects.create(username=name, is_staff=True, **{"is_superuser": True, **kwargs})
    client = Client()
    client.force_login(user)
    return Editor(client)


@override_settings(ROOT_URLCONF=__name__)
class AdminCase(TestCase):
    def setUp(self):
        self.article = Article.objects.create(title="tea", body="one\ntwo")
        self.chapter = Chapter.objects.create(article=self.article, title="first")
        self.one = f"{URL}{self.article.pk}/change/"
        self.ann, self.bob = editor("ann"), editor("bob")

    def again(self, row=None):
        row = row or self.article
        return type(row).objects.get(pk=row.pk)

    def assert_saved(self, answer):
        self.assertEqual(answer.status_code, 302, getattr(answer, "context", None) and answer.context["errors"])

    def assert_refused(self, answer, told="was changed since you opened it"):
        self.assertEqual(answer.status_code, 200)
        self.assertTrue(told in answer.content.decode(), f"the page does not say: {told}")
