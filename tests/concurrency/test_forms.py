"""Forms, formsets and an UpdateView of one's own: a stale one is shown again, with both sides."""

from unittest import mock

from django import forms
from django.contrib.auth.models import User
from django.forms.models import BaseModelFormSet, modelformset_factory
from django.http import HttpResponse
from django.test import Client, TestCase, TransactionTestCase, override_settings
from django.urls import path
from django.views.generic import UpdateView

from django_dist.concurrency.form_tokens import seal, unseal
from django_dist.concurrency.forms import VersionedFormSet, VersionedModelForm
from django_dist.concurrency.views import VersionedUpdateMixin
from django_dist.testing.concurrency_harness import ConcurrencyHarness
from testapp.models import Article, Chapter, Entry

from .browsing import Editor, Form

NOW = {"between": lambda: None}


class ArticleForm(VersionedModelForm):
    class Meta:
        model = Article
        fields = ["title", "body", "price", "public", "others"]

    def save(self, commit=True):
        NOW["between"]()
        return super().save(commit)


class Edit(VersionedUpdateMixin, UpdateView):
    model = Article
    form_class = ArticleForm
    success_url = "/done"

    def render_to_response(self, context):
        form = context["form"]
        told = "" if form.conflict is None else f"<table><tr><td>told</td><td>{form.conflict}</td></tr></table>"
        return HttpResponse(f'<form method="post">{form.as_p()}</form>{told}')


class PlainForm(forms.ModelForm):
    class Meta:
        model = Article
        fields = ["title"]


class EditPlain(Edit):
    form_class = PlainForm


class ArticleFormSet(VersionedFormSet, BaseModelFormSet):
    """As a project writes one."""


urlpatterns = [path("edit/<int:pk>", Edit.as_view()), path("plain/<int:pk>", EditPlain.as_view())]


@override_settings(ROOT_URLCONF=__name__)
class Views(TestCase):
    def setUp(self):
        self.article = Article.objects.create(title="tea")
        self.editors = []
        for name in ("ann", "bob"):
            client = Client()
            client.force_login(User.objects.create(username=name))
            self.editors.append(Editor(client))

    def test_stale_form_is_shown_again_and_sent_again(self):
        for page in ("edit", "plain"):
            url = f"/{page}/{self.article.pk}"
            ann, bob = (editor.open(url) for editor in self.editors)
            self.assertEqual(ann.fill(title=f"green {page}").send().status_code, 302)
            self.assertEqual(bob.fill(title=f"black {page}").send().status_code, 200)
            self.assertEqual(Article.objects.get().title, f"green {page}")
            self.assertIn(f"Title is now “green {page}”", bob.form.row("told")[0])
            self.assertEqual(bob.send().status_code, 302)
            self.assertEqual(Article.objects.get().title, f"black {page}")

    def test_token_is_of_the_row_and_the_user(self):
        other = Article.objects.create(title="other")
        ann, bob = self.editors
        for token in (
            ann.open(f"/edit/{self.article.pk}").form.fields["version_token"],
            bob.open(f"/edit/{other.pk}").form.fields["version_token"],
            None,
        ):
            bob.open(f"/edit/{self.article.pk}").fill(title="mine", version_token=token)
            self.assertEqual(bob.send().status_code, 200)
        self.assertEqual(Article.objects.get(pk=self.article.pk).title, "tea")


class Forms(TestCase):
    def setUp(self):
        self.article = Article.objects.create(title="tea", body="one")
        self.entry = Entry.objects.create(text="x")

    def sent(self, **values):
        """Return a form that was opened now and comes back with ``values``."""
        row = Article.objects.get()
        form = ArticleForm(instance=row, user=1)
        shown = {name: form[name].value() for name in form.fields}
        return {name: value for name, value in {**shown, **values}.items() if value is not False}

    def back(self, data):
        form = ArticleForm(data, instance=Article.objects.get(), user=1)
        self.valid = form.is_valid()
        return form

    def test_fields_are_told_by_who_changed_them(self):
        data = self.sent(title="mine", body="one\r\n", others=[self.entry.pk])
        Article.objects.update(title="theirs", price=2)
        conflict = self.back(data).conflict
        told = {field.name: (field.mine_changed, field.theirs_changed) for field in conflict.fields}
        self.assertEqual(told, {"title": (True, True), "price": (False, True), "others": (True, False)})
        self.assertEqual([field.mine for field in conflict.fields if field.name == "others"], ["x"])

    def test_relations_that_changed_there_are_kept(self):
        data = self.sent(title="mine")
        row = Article.objects.get()
        row.others.add(self.entry)
        row.save()
        form = self.back(data)
        self.assertEqual(list(map(int, form["others"].value())), [self.entry.pk])
        form = self.back(form.data)
        self.assertTrue(self.valid, form.errors)
        form.save()
        self.assertEqual((Article.objects.get().title, Article.objects.get().others.count()), ("mine", 1))

    def test_form_without_a_conflict_is_no_change(self):
        form = self.back(self.sent())
        self.assertTrue(self.valid, form.errors)
        self.assertEqual((form.changed_data, form.conflict), ([], None))

    def test_other_spellings_of_a_value_are_no_change(self):
        Article.objects.update(body="one\ntwo", price="1.50", due="2026-01-02T03:04:05.678Z")

        class Due(VersionedModelForm):
            class Meta:
                model = Article
                fields = ["body", "due", "title", "price"]

        shown = Due(instance=Article.objects.get(), user=1)
        data = {name: shown[name].value() for name in shown.fields}
        data.update(body="one\r\ntwo", due="2026-01-01 21:04:05", title="mine", price="1.5")
        Article.objects.update(public=True)
        form = Due(data, instance=Article.objects.get(), user=1)
        self.assertFalse(form.is_valid())
        self.assertEqual([field.name for field in form.conflict.fields], ["title"])
        self.assertEqual(str(form.conflict), "what changed is not in this form")

    def test_what_the_editor_does_not_send_is_not_his(self):
        Article.objects.update(paper="old.pdf")

        class Fixed(VersionedModelForm):
            price = forms.DecimalField(decimal_places=2, disabled=True)

            class Meta:
                model = Article
                fields = ["title", "price", "paper"]

        shown = Fixed(instance=Article.objects.get(), user=1)
        data = {"title": "mine", "version_token": shown["version_token"].value()}
        Article.objects.update(paper="new.pdf", price=5)
        form = Fixed(data, instance=Article.objects.get(), user=1)
        self.assertFalse(form.is_valid())
        told = {field.name: (field.original, field.mine, field.theirs) for field in form.conflict.fields}
        fixed = {"price": ("0.00", "0.00", "5.00"), "paper": ("old.pdf", "old.pdf", "new.pdf")}
        self.assertEqual(told, {"title": ("tea", "mine", "tea"), **fixed})
        self.assertEqual([field.name for field in form.conflict.fields if field.mine_changed], ["title"])
        form = Fixed(form.data, instance=Article.objects.get(), user=1)
        self.assertTrue(form.is_valid(), form.errors)
        form.save()
        self.assertEqual((Article.objects.get().paper, Article.objects.get().price), ("new.pdf", 5))

    def test_token_is_of_one_model(self):
        token = seal(self.article, 1, 1, {})
        self.assertEqual(unseal(self.article, 1, token).version, 1)
        self.assertIsNone(unseal(Chapter(pk=self.article.pk), 1, token))

    def test_model_without_a_version_is_told(self):
        class EntryForm(VersionedModelForm):
            class Meta:
                model = Entry
                fields = ["text"]

        with self.assertRaisesMessage(TypeError, "VersionedModel"):
            EntryForm()

    def test_formset_carries_versions_and_deletes_nothing_stale(self):
        made = modelformset_factory(Article, ArticleForm, formset=ArticleFormSet, extra=0, can_delete=True)
        page = made(queryset=Article.objects.all(), form_kwargs={"user": 1})
        answer = HttpResponse(f'<form method="post">{page.management_form}{page.as_p()}</form>')
        page = Form(answer)
        self.assertIn("form-0-version_token", page.fields)
        data = {name: values[0] for name, values in page.fields.items()}
        Article.objects.update(title="theirs")
        for change in ({"form-0-DELETE": "on"}, {"form-0-price": "3"}):
            back = made({**data, **change}, queryset=Article.objects.all(), form_kwargs={"user": 1})
            self.assertFalse(back.is_valid())
        back = made(data, queryset=Article.objects.all(), form_kwargs={"user": 1})
        self.assertTrue(back.is_valid())
        back.save()
        self.assertEqual(Article.objects.get().title, "theirs")


@override_settings(ROOT_URLCONF=__name__)
class AtOnce(ConcurrencyHarness, TransactionTestCase):
    def setUp(self):
        super().setUp()
        self.article = Article.objects.create(title="tea")
        self.addCleanup(NOW.update, between=lambda: None)
        self.editor = Editor(Client())
        self.editor.open(f"/edit/{self.article.pk}").fill(title="mine")

    def test_change_between_check_and_update_is_shown(self):
        NOW["between"] = lambda: self.elsewhere(lambda: Article.objects.update(title="theirs"))
        self.assertEqual(self.editor.send().status_code, 200)
        self.assertIn("Title is now “theirs” (it was “tea”)", self.editor.form.row("told")[0])
        self.assertEqual(Article.objects.get().title, "theirs")

    def test_snapshot_that_does_not_show_it_asks_to_send_again(self):
        NOW["between"] = lambda: self.elsewhere(lambda: Article.objects.update(title="theirs"))

        with mock.patch.object(Edit, "get_object", side_effect=self.old):
            self.assertEqual(self.editor.send().status_code, 200)
        self.assertTrue(self.editor.form.says("at the same moment"))
        self.assertEqual(Article.objects.get().title, "theirs")

    def old(self):
        """Return the row as it was at first, as a snapshot would."""
        row = Article.objects.get()
        row.title, row.version = "tea", 1
        return row
