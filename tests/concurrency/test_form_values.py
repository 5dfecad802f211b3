"""What is put into a form that came back is what a browser would have sent; what is shown, words."""

from datetime import date, datetime, timedelta
from decimal import Decimal

from django import forms
from django.contrib.admin.sites import site
from django.contrib.admin.widgets import AdminSplitDateTime, ManyToManyRawIdWidget
from django.http import QueryDict
from django.test import SimpleTestCase, TestCase, override_settings

from django_dist.concurrency.form_values import replace, shown
from testapp.models import Article, Entry

KINDS = [("n", "News"), ("Old", [("e", "Essay")])]
FIELDS = [
    (forms.CharField(), "text"),
    (forms.BooleanField(required=False), True),
    (forms.BooleanField(required=False), False),
    (forms.NullBooleanField(), None),
    (forms.NullBooleanField(), False),
    (forms.ChoiceField(choices=KINDS), "e"),
    (forms.ChoiceField(choices=KINDS, widget=forms.RadioSelect), "e"),
    (forms.MultipleChoiceField(choices=KINDS), ["n", "e"]),
    (forms.MultipleChoiceField(choices=KINDS, widget=forms.CheckboxSelectMultiple), ["n"]),
    (forms.MultipleChoiceField(choices=KINDS, required=False), []),
    (forms.DateField(widget=forms.SelectDateWidget(years=[2026])), date(2026, 2, 3)),
    (forms.SplitDateTimeField(widget=AdminSplitDateTime), datetime(2026, 2, 3, 4, 5, 6)),
    (forms.DurationField(), timedelta(hours=3)),
    (forms.JSONField(), {"a": [2, 1]}),
    (forms.DecimalField(decimal_places=2), Decimal("1.50")),
]


@override_settings(USE_TZ=False)
class Replaced(SimpleTestCase):
    def test_value_is_read_back_as_it_was(self):
        for field, value in FIELDS:
            for before in ("", "x-0=1&x_0=9&x_1=9&x=other&x=more&x_month=1&x_day=1&x_year=2026"):
                with self.subTest(field=field, widget=field.widget, value=value):
                    data = QueryDict(before, mutable=True)
                    replace(data, field, "x", value)
                    self.assertEqual(field.clean(field.widget.value_from_datadict(data, {}, "x")), value)

    def test_value_is_told_in_words(self):
        told = [shown(field, value) for field, value in FIELDS[:10]]
        self.assertEqual(
            told,
            ["text", "Yes", "No", "–", "No", "Essay", "Essay", "News, Essay", "News", "–"],  # noqa: RUF001
        )
        self.assertEqual(shown(FIELDS[10][0], "2026-02-03"), "Feb. 3, 2026")
        self.assertEqual(shown(FIELDS[11][0], "2026-02-03T04:05:06"), "Feb. 3, 2026, 4:05 a.m.")


class Rows(TestCase):
    def test_rows_are_read_back_and_named_where_they_are_offered(self):
        rows = [Entry.objects.create(text=text) for text in ("one", "two")]
        offered = Entry.objects.filter(text="one")
        raw = ManyToManyRawIdWidget(Article._meta.get_field("others").remote_field, site)
        for widget in (forms.SelectMultiple, forms.CheckboxSelectMultiple, raw):
            field = forms.ModelMultipleChoiceField(Entry.objects.all(), widget=widget)
            data = QueryDict("x=9", mutable=True)
            replace(data, field, "x", rows)
            self.assertEqual(list(field.clean(field.widget.value_from_datadict(data, {}, "x"))), rows)
        self.assertEqual(shown(forms.ModelChoiceField(offered), rows[0].pk), "one")
        self.assertEqual(shown(forms.ModelChoiceField(offered), rows[1].pk), str(rows[1].pk))
