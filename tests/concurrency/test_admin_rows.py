"""In the admin inlines, lists and deletions check each row's version."""

from unittest import mock

from django.contrib.admin.models import LogEntry

from django_dist.concurrency.admin import VersionedStackedInline
from testapp.models import Article, Chapter

from .admin_site import URL, AdminCase, Articles


class Inlines(AdminCase):
    def both_open(self):
        self.ann.open(self.one)
        self.bob.open(self.one)

    def theirs(self, **values):
        Chapter.objects.filter(pk=self.chapter.pk).update(**values)

    def test_stale_row_is_refused_and_shown(self):
        self.both_open()
        self.theirs(title="theirs")
        self.assert_refused(self.bob.fill(**{"chapter_set-0-pages": "3"}).send())
        self.assertEqual(self.again(self.chapter).pages, 0)
        self.assertEqual(self.bob.form.row("Title"), ["first", "theirs", "first", "as stored now"])
        self.assertEqual(self.bob.form.row("Pages"), ["0", "0", "3", "yours"])
        self.assert_saved(self.bob.send())
        self.assertEqual((self.again(self.chapter).title, self.again(self.chapter).pages), ("theirs", 3))

    def test_row_that_the_editor_left_alone_keeps_theirs(self):
        self.both_open()
        self.theirs(title="theirs")
        self.assert_saved(self.bob.fill(title="black tea").send())
        self.assertEqual((self.again().title, self.again(self.chapter).title), ("black tea", "theirs"))
        self.assertEqual(self.again(self.chapter).version, 2)

    def test_stale_row_is_not_deleted(self):
        for token in (True, False):
            self.both_open()
            self.theirs(title="theirs")
            self.bob.fill(**{"chapter_set-0-DELETE": "on"}, **({} if token else {"chapter_set-0-version_token": None}))
            told = "was changed since you opened it" if token else "does not say"
            self.assert_refused(self.bob.send(), told)
            self.assertEqual(Chapter.objects.count(), 1)
        self.both_open()
        self.theirs(title="other")
        self.bob.fill(**{"chapter_set-0-DELETE": "on"}).send()
        self.assert_saved(self.bob.send())
        self.assertEqual(Chapter.objects.count(), 0)

    def test_new_rows_are_made_and_rows_saved(self):
        self.bob.open(self.one).fill(**{"chapter_set-1-title": "second", "chapter_set-0-pages": "2"})
        self.assert_saved(self.bob.send())
        self.assertEqual(sorted(Chapter.objects.values_list("title", "pages")), [("first", 2), ("second", 0)])

    def test_token_of_another_row_or_user_is_refused(self):
        other = Chapter.objects.create(article=self.article, title="other")
        self.both_open()
        name = "chapter_set-{}-version_token"
        of_other_row = self.bob.form.fields[name.format(1 if other.pk > self.chapter.pk else 0)]
        for token in (of_other_row, self.ann.form.fields[name.format(0)]):
            self.bob.open(self.one).fill(**{name.format(0): token, "chapter_set-0-pages": "9"})
            self.assert_refused(self.bob.send(), "not the one that was sent")

    def test_stacked_inline_checks_too(self):
        with mock.patch.object(Articles, "inlines", [type("Stacked", (VersionedStackedInline,), {"model": Chapter})]):
            self.both_open()
            self.theirs(title="theirs")
            self.assert_refused(self.bob.fill(**{"chapter_set-0-pages": "3"}).send())
            self.assert_saved(self.bob.send())


class Lists(AdminCase):
    def setUp(self):
        super().setUp()
        self.other = Article.objects.create(title="coffee")
        self.index = {}
        self.bob.open(URL)
        for number in range(2):
            self.index[int(self.bob.form.fields[f"form-{number}-id"][0])] = number

    def name(self, row, field):
        return f"form-{self.index[row.pk]}-{field}"

    def test_rows_are_saved(self):
        answer = self.bob.fill(**{self.name(self.article, "title"): "x"}).send(_save="Save")
        self.assert_saved(answer)
        self.assertEqual((self.again().title, self.again().version, self.again(self.other).version), ("x", 2, 1))

    def test_stale_row_is_refused_and_no_other_is_saved(self):
        Article.objects.filter(pk=self.article.pk).update(title="theirs")
        mine = {self.name(self.article, "title"): "mine", self.name(self.other, "title"): "other"}
        answer = self.bob.fill(**mine).send(_save="Save")
        self.assert_refused(answer, "Title is now “theirs” (it was “tea”)")
        self.assertEqual((self.again().title, self.again(self.other).title), ("theirs", "coffee"))
        self.assert_saved(self.bob.send(_save="Save"))
        self.assertEqual((self.again().title, self.again(self.other).title), ("mine", "other"))

    def test_row_that_the_editor_left_alone_keeps_theirs(self):
        Article.objects.filter(pk=self.article.pk).update(title="theirs")
        self.assert_saved(self.bob.fill(**{self.name(self.other, "title"): "other"}).send(_save="Save"))
        self.assertEqual((self.again().title, self.again(self.other).title), ("theirs", "other"))

    def test_row_that_was_left_alone_needs_no_version(self):
        mine = {self.name(self.other, "title"): "other", self.name(self.article, "version_token"): None}
        self.assert_saved(self.bob.fill(**mine).send(_save="Save"))

    def test_other_field_of_a_stale_row_keeps_theirs(self):
        Article.objects.filter(pk=self.article.pk).update(public=True, body="theirs")
        self.assert_refused(self.bob.fill(**{self.name(self.article, "title"): "mine"}).send(_save="Save"))
        self.assert_saved(self.bob.send(_save="Save"))
        self.assertEqual((self.again().title, self.again().public, self.again().body), ("mine", True, "theirs"))

    def test_missing_and_foreign_tokens_are_refused(self):
        of_other_row = self.bob.form.fields[self.name(self.other, "version_token")]
        of_ann = self.ann.open(URL).form.fields[self.name(self.article, "version_token")]
        foreign = "not the one that was sent"
        for wrong, told in ((None, "does not say"), (of_other_row, foreign), (of_ann, foreign)):
            self.bob.open(URL)
            mine = {self.name(self.article, "title"): "mine", self.name(self.article, "version_token"): wrong}
            self.assert_refused(self.bob.fill(**mine).send(_save="Save"), told)

    def test_action_deletes_rows_as_they_are(self):
        Article.objects.update(title="theirs")
        keys = [str(self.article.pk)]
        page = {"action": "delete_selected", "_selected_action": keys, "post": "yes"}
        self.assertEqual(self.bob.client.post(URL, page).status_code, 302)
        self.assertEqual(Article.objects.count(), 1)


class Deletions(AdminCase):
    def setUp(self):
        super().setUp()
        self.url = f"{URL}{self.article.pk}/delete/"
        self.bob.open(self.url)

    def test_what_was_shown_is_deleted(self):
        self.assert_saved(self.bob.send())
        self.assertEqual((Article.objects.count(), LogEntry.objects.count()), (0, 1))

    def test_what_was_changed_since_is_asked_for_again(self):
        Article.objects.update(title="theirs")
        self.assertRedirects(self.bob.send(), self.url, fetch_redirect_response=False)
        self.assertEqual((Article.objects.count(), Chapter.objects.count(), LogEntry.objects.count()), (1, 1, 0))
        self.assertTrue(self.bob.open(self.url).form.says("was changed since you were asked"))
        self.assertTrue(self.bob.form.says("theirs"))
        self.assert_saved(self.bob.send())
        self.assertEqual(Article.objects.count(), 0)

    def test_missing_and_foreign_tokens_are_asked_for_again(self):
        for token in (None, "x", self.ann.open(self.url).form.fields["version_token"]):
            self.bob.open(self.url).fill(version_token=token)
            self.assertRedirects(self.bob.send(), self.url, fetch_redirect_response=False)
        self.assertEqual(Article.objects.count(), 1)
