"""The admin of sessions: found by their user, without their data, ended by who may delete them."""

import uuid

from django.contrib import admin
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.backends.base import UpdateError
from django.core.cache import caches
from django.db import connection
from django.test import TestCase, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import path

from django_dist.models import StoredSession
from django_dist.sessions import replicated
from django_dist.sessions.database import SessionStore
from services import needs

urlpatterns = [path("admin/", admin.site.urls)]
LIST = "/admin/django_dist/storedsession/"


@override_settings(ROOT_URLCONF=__name__)
class AdminTests(TestCase):
    store = SessionStore

    def setUp(self):
        self.users = [User.objects.create(username=name) for name in ("alice", "bob")]
        self.alice, self.bob = (self.session(user) for user in self.users)
        self.nobody = self.session(None)
        self.login("view_storedsession")

    def session(self, user):
        session = self.store()
        session["secret"] = "what nobody may see"
        session.meta = {"REMOTE_ADDR": "192.0.2.1"}
        if user is not None:
            session["_auth_user_id"] = str(user.pk)
        session.save()
        return session

    def login(self, *permissions):
        user = User.objects.create(username=str(uuid.uuid4()), is_staff=True)
        user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
        self.client.force_login(user)

    def found(self, term):
        return {row.pk for row in self.client.get(LIST, {"q": term}).context["cl"].result_list}

    def revoke(self, *sessions):
        chosen = [str(session.digest) for session in sessions]
        return self.client.post(LIST, {"action": "revoke", "_selected_action": chosen}, follow=True)

    def test_sessions_are_found_by_name_and_primary_key_of_their_user(self):
        every = {self.alice.digest, self.bob.digest, self.nobody.digest}
        self.assertEqual(self.found(""), every)
        self.assertEqual(self.found(" alice "), {self.alice.digest})
        self.assertEqual(self.found(str(self.users[1].pk)), {self.bob.digest})
        for term in ("ali", "what nobody may see", "404", self.alice.session_key):
            self.assertEqual(self.found(term), set(), term)

    def test_data_is_never_shown_nor_read(self):
        data = bytes(StoredSession.objects.get(pk=self.alice.digest).data)
        with CaptureQueriesContext(connection) as asked:
            pages = [self.client.get(url) for url in (LIST, f"{LIST}{self.alice.digest}/change/")]
        statements = " ".join(query["sql"] for query in asked.captured_queries).replace('"', "").replace("`", "")
        self.assertIn("django_dist_session.seen_at", statements)
        self.assertNotIn("django_dist_session.data", statements)
        for page in pages:
            self.assertContains(page, str(self.alice.digest))
            self.assertNotContains(page, "what nobody may see")
            self.assertNotContains(page, self.alice.session_key)
            self.assertNotIn(data, page.content)

    def test_who_may_only_look_cannot_revoke(self):
        self.assertNotContains(self.client.get(LIST), 'value="revoke"')
        self.revoke(self.alice)
        self.assertTrue(self.store().exists(self.alice.session_key))

    def test_who_may_delete_revokes_what_is_chosen(self):
        self.login("view_storedsession", "delete_storedsession")
        running = self.store(self.alice.session_key)
        running["late"] = 1
        self.assertContains(self.revoke(self.alice, self.nobody), "2 of 2 sessions")
        self.assertEqual(self.found(""), {self.bob.digest})
        with self.assertRaises(UpdateError):
            running.save()

    def test_nothing_can_be_added_changed_or_deleted(self):
        self.login(*Permission.objects.values_list("codename", flat=True))
        before = list(StoredSession.objects.order_by("pk").values())
        one = str(self.alice.digest)
        for url, data in (
            (f"{LIST}add/", {"user_id": "1"}),
            (f"{LIST}{one}/change/", {"user_id": "1"}),
            (f"{LIST}{one}/delete/", {"post": "yes"}),
            (LIST, {"action": "delete_selected", "_selected_action": one, "post": "yes"}),
        ):
            with self.subTest(url=url):
                self.client.post(url, data)
                self.assertEqual(list(StoredSession.objects.order_by("pk").values()), before)

    def test_without_the_permission_nothing_is_shown(self):
        self.login()
        self.assertEqual(self.client.get(LIST).status_code, 403)


@needs("redis")
class CopiesTests(AdminTests):
    """Over two stores: marks are not shown, and what is ended has ended in both."""

    store = replicated.SessionStore

    def setUp(self):
        options = {"connection": "redis", "prefix": f"test:{uuid.uuid4()}:", "suspicion_ttl": 3600.0}
        setting = override_settings(
            SESSION_ENGINE="django_dist.sessions.replicated", DIST_SESSIONS={"default": {"OPTIONS": options}}
        )
        setting.enable()
        self.addCleanup(setting.disable)
        self.addCleanup(self.forget, options["prefix"])
        super().setUp()

    def forget(self, prefix):
        server = caches["redis"].client.get_client(write=True)
        for key in server.scan_iter(f"{prefix}*"):
            server.delete(key)

    def login(self, *permissions):
        super().login(*permissions)
        self.own = getattr(self, "own", set()) | {self.store(self.client.cookies["sessionid"].value).digest}

    def found(self, term):
        """Return what is shown, but for the sessions of who looks."""
        return super().found(term) - self.own

    def test_marks_are_not_shown(self):
        known, there = self.found(""), StoredSession.objects.count()
        self.store(self.session(None).session_key).flush()
        replicated.replicas()[1].remember("redis", uuid.uuid4())
        self.assertEqual(StoredSession.objects.count(), there + 2)
        self.assertEqual(self.found(""), known)
