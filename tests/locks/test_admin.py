"""The admin of locks: who holds them, and a break by who may change them."""

import uuid

from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.test import TestCase, override_settings
from django.urls import path

from django_dist.locks import lock
from django_dist.locks.registry import locks
from django_dist.models import StoredLock

urlpatterns = [path("admin/", admin.site.urls)]
LIST = "/admin/django_dist/storedlock/"


@override_settings(ROOT_URLCONF=__name__)
class AdminTests(TestCase):
    def setUp(self):
        with lock("freed"):
            pass
        self.fence = locks["default"].try_acquire("a report ä", "web-3 4711 MainThread 0123", 60).fence
        self.login("view_storedlock")

    def login(self, *permissions):
        user = User.objects.create(username=str(uuid.uuid4()), is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        self.client.force_login(user)

    def broken(self, *names):
        rows = [row for row in StoredLock.objects.all() if str(row) in names]
        chosen = {"action": "break_locks", "_selected_action": [str(row.pk) for row in rows]}
        return self.client.post(LIST, chosen, follow=True)

    def test_locks_are_shown_with_their_holders(self):
        page = self.client.get(LIST)
        for text in ("a report ä", "web-3, process 4711, MainThread", str(self.fence), "freed"):
            self.assertContains(page, text)
        row = next(row for row in StoredLock.objects.all() if str(row) == "freed")
        self.assertContains(self.client.get(f"{LIST}{row.pk}/change/"), "freed")

    def test_lock_is_found_by_its_name(self):
        for term, count in (("a report ä", 1), ("a report", 0), ("", 2)):
            found = self.client.get(LIST, {"q": term}).context["cl"].result_list
            self.assertEqual(len(found), count, term)

    def test_who_may_change_locks_breaks_them(self):
        self.login("view_storedlock", "change_storedlock")
        page = self.broken("a report ä", "freed")
        self.assertContains(page, "1 of 2 locks were held and are broken.")
        self.assertFalse(locks["default"].check("a report ä", "web-3 4711 MainThread 0123", self.fence))

    def test_who_may_only_look_breaks_nothing(self):
        self.broken("a report ä")
        self.assertTrue(locks["default"].check("a report ä", "web-3 4711 MainThread 0123", self.fence))
