"""The admin of dedupe entries: read-only, found by digest or by scope and key."""

import uuid

from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.db import transaction
from django.test import TestCase, override_settings
from django.urls import path

from django_dist.dedupe import claim
from django_dist.models import DedupeEntry

urlpatterns = [path("admin/", admin.site.urls)]
LIST = "/admin/django_dist/dedupeentry/"


@override_settings(ROOT_URLCONF=__name__)
class AdminTests(TestCase):
    def setUp(self):
        self.login("view_dedupeentry")
        with transaction.atomic():
            claim("mail", "a b", ttl=60)
            claim("sent mail", "a")
        self.one, self.other = DedupeEntry.objects.order_by("scope")

    def login(self, *permissions):
        user = User.objects.create(username=str(uuid.uuid4()), is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        self.client.force_login(user)

    def found(self, term):
        response = self.client.get(LIST, {"q": term})
        return {row.pk for row in response.context["cl"].result_list}

    def test_entries_are_found_by_digest_and_by_scope_and_key(self):
        both = {self.one.pk, self.other.pk}
        self.assertEqual(self.found(""), both)
        for term, digest in (
            (str(self.one.pk), self.one.pk),
            (self.one.pk.hex, self.one.pk),
            ("mail a b", self.one.pk),
            (" sent mail a ", self.other.pk),
        ):
            self.assertEqual(self.found(term), {digest}, term)
        for term in ("mail", "a b", "mail  a", "100%"):
            self.assertEqual(self.found(term), set(), term)

    def test_an_entry_shows_what_was_kept(self):
        DedupeEntry.objects.filter(pk=self.one.pk).update(result='{"refund": 7}')
        page = self.client.get(f"{LIST}{self.one.pk}/change/").content.decode()
        for part in (str(self.one.pk), "mail", "refund"):
            self.assertIn(part, page)

    def test_nothing_can_be_added_changed_or_deleted(self):
        self.login(*Permission.objects.values_list("codename", flat=True))
        before = list(DedupeEntry.objects.values())
        for url, data in (
            (f"{LIST}add/", {"scope": "x"}),
            (f"{LIST}{self.one.pk}/change/", {"scope": "x"}),
            (f"{LIST}{self.one.pk}/delete/", {"post": "yes"}),
            (LIST, {"action": "delete_selected", "_selected_action": str(self.one.pk), "post": "yes"}),
        ):
            with self.subTest(url=url):
                self.client.post(url, data)
                self.assertEqual(list(DedupeEntry.objects.values()), before)

    def test_without_the_permission_nothing_is_shown(self):
        self.login()
        self.assertEqual(self.client.get(LIST).status_code, 403)
