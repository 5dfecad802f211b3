"""In the admin somebody else saves between the check of the form and the UPDATE."""

from unittest import mock

from django.test import TransactionTestCase, override_settings

from django_dist.exceptions import StaleVersion
from django_dist.testing.concurrency_harness import ConcurrencyHarness
from services import needs
from testapp.models import Article

from . import admin_site
from .admin_site import DATABASE, URL, Articles, editor


class AtOnce(ConcurrencyHarness):
    """Between the check of the form and the UPDATE somebody else saves."""

    def setUp(self):
        super().setUp()
        DATABASE["name"] = self.database
        self.addCleanup(DATABASE.update, name="default")
        here = override_settings(ROOT_URLCONF=admin_site.__name__)
        here.enable()
        self.addCleanup(here.disable)
        self.article = Article.objects.using(self.database).create(title="tea")
        self.addCleanup(Article.objects.using(self.database).all().delete)
        self.bob = editor("bob")
        self.others = ["green tea"]

    def save(self, admin, request, obj, form, change):
        if self.others:
            title = self.others.pop()
            self.elsewhere(lambda: Article.objects.using(self.database).update(title=title))
        obj.save()

    def stored(self):
        return Article.objects.using(self.database).get()

    def racing(self):
        return mock.patch.object(Articles, "save_model", lambda *args, **named: self.save(*args, **named))

    def test_change_form_shows_the_conflict(self):
        with self.racing(), mock.patch.object(Articles, "inlines", []):
            answer = self.bob.open(f"{URL}{self.article.pk}/change/").fill(title="black tea").send()
            self.assertEqual((answer.status_code, self.stored().title), (200, "green tea"))
            self.assertEqual(self.bob.form.row("Title"), ["tea", "green tea", "black tea", "yours"])
            self.assertEqual(self.bob.send().status_code, 302)
        self.assertEqual(self.stored().title, "black tea")

    def test_crowd_is_asked_to_send_again(self):
        with self.racing(), mock.patch.object(Articles, "inlines", []):
            view = mock.patch.object(Articles, "get_object", self.newest)
            with view:
                self.others = ["one", "two", "three"]
                answer = self.bob.open(f"{URL}{self.article.pk}/change/").fill(title="black tea").send()
            self.assertEqual((answer.status_code, self.bob.form.fields["title"]), (200, ["black tea"]))
            self.assertTrue(self.bob.form.says("Saved at the same moment"))
            self.others = []
            self.bob.send()
            self.assertEqual(self.bob.form.row("Title")[1:], ["two", "black tea", "yours"])

    def newest(self, request, object_id, from_field=None):
        """Return the row as the form expects it, whatever is stored: as a snapshot would."""
        row = self.stored()
        row.version = 1
        return row

    def test_list_shows_the_conflict(self):
        with self.racing():
            answer = self.bob.open(URL).fill(**{"form-0-title": "black tea"}).send(_save="Save")
            self.assertIn("Title is now “green tea” (it was “tea”)", answer.content.decode())
            self.assertEqual(self.stored().title, "green tea")

    def test_deletion_is_asked_for_again(self):
        def delete(admin, request, obj):
            self.elsewhere(lambda: Article.objects.using(self.database).update(title="green tea"))
            obj.delete()

        url = f"{URL}{self.article.pk}/delete/"
        with mock.patch.object(Articles, "delete_model", delete):
            self.assertEqual(self.bob.open(url).send().headers["Location"], url)
        self.assertEqual(self.stored().title, "green tea")

    def test_get_is_never_repeated(self):
        with (
            mock.patch.object(
                Articles, "get_inline_instances", side_effect=StaleVersion("x", model=Article, pk=1, expected=1)
            ),
            self.assertRaises(StaleVersion),
        ):
            self.bob.client.get(f"{URL}{self.article.pk}/change/")


@needs("postgres")
class PostgreSQLTests(AtOnce, TransactionTestCase):
    database = "postgres"


@needs("mysql")
class MariaDBTests(AtOnce, TransactionTestCase):
    database = "mysql"


del AtOnce
