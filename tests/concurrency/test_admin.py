"""In the admin no editor saves over another: the change form checks what was shown, and shows both sides."""

from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User

from testapp.models import Article, Entry

from .admin_site import URL, AdminCase, editor


class ChangeForms(AdminCase):
    def both_open(self):
        self.ann.open(self.one)
        self.bob.open(self.one)

    def test_one_editor_after_the_other_saves(self):
        for step, who in enumerate((self.ann, self.bob, self.ann), 2):
            self.assert_saved(who.open(self.one).fill(title=f"tea {step}").send())
            self.assertEqual((self.again().title, self.again().version), (f"tea {step}", step))

    def test_stale_save_writes_nothing_and_shows_who_changed_what(self):
        self.both_open()
        self.assert_saved(self.ann.fill(title="green tea", kind="e").send())
        self.assert_refused(self.bob.fill(title="black tea", price="1.5").send())
        self.assertEqual((self.again().title, self.again().version), ("green tea", 2))
        row = self.bob.form.row
        self.assertEqual(row("Title"), ["tea", "green tea", "black tea", "yours"])
        self.assertEqual(row("Kind"), ["News", "Essay", "News", "as stored now"])
        self.assertEqual(row("Price"), ["0.00", "0.00", "1.50", "yours"])
        self.assertIsNone(row("Body"))
        self.assertTrue(self.bob.form.says("ann,"))
        self.assertTrue(self.bob.form.says("Changed Title and Kind."))

    def test_editor_goes_on_from_mine_on_top_of_what_is_stored(self):
        Entry.objects.bulk_create([Entry(pk=1, text="x"), Entry(pk=2, text="y")])
        self.both_open()
        theirs = {"kind": "e", "public": "on", "about": "1", "others": ["1", "2"], "body": "three\r\nfour"}
        due = {"due_0": "2026-01-02", "due_1": "03:04:05"}
        self.assert_saved(self.ann.fill(**theirs, **due, title="green tea").send())
        self.assert_refused(self.bob.fill(title="black tea").send())
        for name, value in {**theirs, **due, "title": "black tea"}.items():
            value = value if isinstance(value, list) else [value.replace("\r\n", "\n")]
            self.assertEqual(self.bob.form.fields[name], value, name)
        self.assert_saved(self.bob.send())
        found = self.again()
        self.assertEqual((found.title, found.kind, found.public, found.about_id), ("black tea", "e", True, 1))
        self.assertEqual((found.others.count(), str(found.due)), (2, "2026-01-02 09:04:05+00:00"))

    def test_what_they_cleared_stays_cleared(self):
        Article.objects.update(public=True, about=Entry.objects.create(text="x"))
        self.both_open()
        self.assert_saved(self.ann.fill(public=None, about="").send())
        self.assert_refused(self.bob.fill(title="black tea").send())
        self.assertEqual(self.bob.form.row("Public"), ["Yes", "No", "Yes", "as stored now"])
        self.assertEqual(self.bob.form.row("About"), ["x", "–", "x", "as stored now"])  # noqa: RUF001
        self.assert_saved(self.bob.send())
        self.assertEqual((self.again().public, self.again().about), (False, None))

    def test_editor_goes_on_from_theirs(self):
        self.both_open()
        self.ann.fill(title="green tea").send()
        self.assert_refused(self.bob.fill(title="black tea").send())
        self.assertIn(f'<a href="{self.one}">', self.bob.form.answer.content.decode())
        self.assert_saved(self.bob.open(self.one).fill(price="2").send())
        self.assertEqual((self.again().title, self.again().price), ("green tea", 2))

    def test_who_changed_nothing_overwrites_nothing(self):
        self.both_open()
        self.ann.fill(title="green tea").send()
        self.assert_refused(self.bob.send())
        self.assertEqual((self.again().title, self.again().version), ("green tea", 2))
        self.assertEqual(self.bob.form.row("Title"), ["tea", "green tea", "tea", "as stored now"])

    def test_third_editor_is_not_overwritten_by_who_goes_on(self):
        self.both_open()
        for title in ("green tea", "white tea"):
            self.assert_saved(self.ann.open(self.one).fill(title=title).send())
            self.assert_refused(self.bob.fill(title="black tea").send())
        self.assertEqual(self.again().title, "white tea")

    def test_change_outside_the_admin_is_told_as_of_nobody(self):
        other = Article.objects.create(title="other")
        self.bob.open(self.one)
        self.assert_saved(self.ann.open(f"{URL}{other.pk}/change/").send())  # noted of another row
        Article.objects.update(title="green tea")
        self.assert_refused(self.bob.fill(title="black tea").send())
        self.assertTrue(self.bob.form.says("it was not in this admin"))
        self.assertEqual(LogEntry.objects.count(), 1)

    def test_long_text_is_compared_and_not_carried(self):
        Article.objects.update(body="a" * 5_000)
        self.both_open()
        self.assertLess(len(self.bob.form.fields["version_token"][0]), 1_000)
        Article.objects.update(title="green tea")
        self.assert_refused(self.bob.fill(price="1").send())
        self.assertIsNone(self.bob.form.row("Body"))
        Article.objects.update(body="b")
        self.assert_refused(self.bob.send())
        self.assertEqual(self.bob.form.row("Body")[:2], ["(too long to show)", "b"])
        self.assertEqual(self.bob.form.fields["body"], ["b"])

    def test_missing_and_tampered_versions_are_refused(self):
        Article.objects.create(title="other")
        other = f"{URL}{Article.objects.last().pk}/change/"
        token = self.bob.open(self.one).form.fields["version_token"][0]
        tokens = {
            "does not say": [None, ""],
            "not the one that was sent": [
                token[:-1] + ("a" if token[-1] != "a" else "b"),
                "1",
                self.ann.open(self.one).form.fields["version_token"][0],
                self.bob.open(other).form.fields["version_token"][0],
            ],
        }
        for told, wrong in tokens.items():
            for each in wrong:
                self.bob.open(self.one)
                self.assert_refused(self.bob.fill(title="mine", version_token=each).send(), told)
        self.assertEqual(self.again().title, "tea")

    def test_other_mistakes_are_told_beside_the_conflict(self):
        self.both_open()
        self.ann.fill(title="green tea").send()
        answer = self.bob.fill(title="", price="dear").send()
        self.assert_refused(answer)
        self.assert_refused(answer, "This field is required")
        self.assertEqual(self.bob.form.row("Price"), ["0.00", "0.00", "dear", "yours"])

    def test_new_rows_and_copies_need_no_version(self):
        self.assert_saved(self.bob.open(f"{URL}add/").fill(title="new").send())
        self.assertNotIn("version_token", self.bob.form.fields)
        self.assertEqual(Article.objects.get(title="new").version, 1)

    def test_own_fieldsets_and_form_carry_the_version(self):
        url = f"/admin/testapp/chapter/{self.chapter.pk}/change/"
        self.ann.open(url)
        self.bob.open(url)
        self.assert_saved(self.ann.fill(pages="3").send())
        self.assert_refused(self.bob.fill(title="second").send())
        self.assert_saved(self.bob.send())
        self.assertEqual((self.again(self.chapter).pages, self.again(self.chapter).title), (3, "second"))

    def test_who_may_only_look_sees_no_token(self):
        reader = editor("reader", is_superuser=False)
        user = User.objects.get(username="reader")
        user.user_permissions.set(Permission.objects.filter(codename__in=["view_article", "view_chapter"]))
        for url in (self.one, URL):
            answer = reader.client.get(url)
            self.assertEqual(answer.status_code, 200)
            self.assertNotIn("token", answer.content.decode().lower().replace("csrfmiddlewaretoken", ""))
