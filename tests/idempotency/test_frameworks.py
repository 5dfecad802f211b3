"""Every kind of view: guarded after the checks of its own framework, and by its own user."""

import uuid

from django.contrib.auth.models import User
from django.test import override_settings

from django_dist.models import RequestRecord
from idempotency.site import ALL_VIEWS, CHECKED_MIDDLEWARE, SiteCase
from testapp.rest import LEFT

DJANGO = [f"/django/{name}" for name in ("function", "afunction", "decorated", "method", "heir")]
MEMBERS = ["/members/function", "/members/class"]
REST = [f"/rest/{name}" for name in ("decorated", "method", "create", "extra", "inside", "outside")]
NINJA = ["/ninja/sync", "/ninja/async"]
PLAIN = ["/plain/django", "/plain/rest", "/ninja/plain"]


class FrameworkTests(SiteCase):
    def setUp(self):
        super().setUp()
        LEFT["throttle"] = None

    def each(self, paths):
        for path in paths:
            with self.subTest(path):
                self.key = uuid.uuid4().hex
                yield path

    def test_repeat_is_answered_from_the_record(self):
        for path in self.each([*DJANGO, *MEMBERS, *REST, *NINJA]):
            first = self.post(path, self.alice)
            self.assert_ran(first)
            self.assert_replayed(self.post(path, self.alice), first)
            record = RequestRecord.objects.latest("created_at")
            self.assertEqual(record.scope, f"user:auth.user:{self.alice.pk}")
            self.assertEqual(self.entries(), RequestRecord.objects.count())

    def test_another_user_has_a_request_of_its_own(self):
        for path in self.each([*DJANGO, *MEMBERS, *REST, *NINJA]):
            for user in (self.alice, self.bob):
                self.assert_ran(self.post(path, user))

    def test_user_with_a_new_token_gets_a_replay(self):
        for path in self.each([*REST, *NINJA]):
            first = self.post(path, self.alice, token="old")
            self.assert_replayed(self.post(path, self.alice, token="new"), first)

    def test_nobody_is_refused_with_nothing_recorded_and_gets_no_replay(self):
        for path in self.each([*DJANGO, *MEMBERS, *REST, *NINJA]):
            for _ in range(2):
                self.assertIn(self.post(path).status_code, (401, 403, 302))
            self.assertFalse(RequestRecord.objects.filter(scope="anonymous").exists())
            self.assert_ran(self.post(path, self.alice))
            self.assertIn(self.post(path).status_code, (401, 403, 302))

    def test_somebody_whose_rights_were_taken_away_gets_no_replay(self):
        for path in self.each([*DJANGO, *REST, *NINJA]):
            self.alice = User.objects.get(pk=self.alice.pk)
            self.alice.user_permissions.add(self.right)
            first = self.post(path, self.alice)
            self.alice.user_permissions.clear()
            refused = self.post(path, self.alice)
            self.assertIn(refused.status_code, (401, 403))
            self.assertNotIn("Idempotent-Replayed", refused.headers)
            self.alice.user_permissions.add(self.right)
            self.assert_replayed(self.post(path, self.alice), first)

    def test_refusal_for_a_missing_right_is_not_frozen(self):
        for path in self.each([*DJANGO, *REST, *NINJA]):
            self.alice.user_permissions.clear()
            self.assertIn(self.post(path, self.alice).status_code, (401, 403))
            self.alice.user_permissions.add(self.right)
            self.assert_ran(self.post(path, self.alice))

    def test_throttled_request_is_not_frozen_and_a_replay_is_throttled_too(self):
        for path in self.each(REST):
            LEFT["throttle"] = 0
            self.assertEqual(self.post(path, self.alice).status_code, 429)
            LEFT["throttle"] = 1
            self.assert_ran(self.post(path, self.alice))
            self.assertEqual(self.post(path, self.alice).status_code, 429)
            LEFT["throttle"] = None

    def test_refusal_raised_after_a_write_is_recorded_and_rolled_back(self):
        for path in self.each([*REST, *NINJA]):
            first = self.post(path, self.alice, body=b'{"invalid": true}')
            self.assertIn(first.status_code, (400, 422))
            self.assert_replayed(self.post(path, self.alice, body=b'{"invalid": true}'), first)
            self.assertEqual(self.entries(), 0)

    def test_body_that_cannot_be_parsed_is_not_recorded(self):
        for path in self.each([*REST, *NINJA]):
            for _ in range(2):
                broken = self.post(path, self.alice, body=b"{")
                self.assertEqual(broken.status_code, 400)
                self.assertNotIn("Idempotent-Replayed", broken.headers)
            self.assertEqual(RequestRecord.objects.count(), 0)

    def test_other_body_is_refused(self):
        for path in self.each([*DJANGO, *REST, *NINJA]):
            self.post(path, self.alice)
            refused = self.post(path, self.alice, body=b'{"item": 2}')
            self.assertEqual(refused.status_code, 422)
            self.assertEqual(refused.headers["Content-Type"], "application/problem+json")

    def test_handler_that_is_not_decorated_is_not_guarded(self):
        with override_settings(DIST_IDEMPOTENCY={"default": {"POLICY": {"methods": ["PUT"]}}}):
            for _ in range(2):
                self.assert_ran(self.post("/django/method", self.alice, method="PUT"))

    def test_class_of_async_handlers_is_guarded(self):
        first = self.post("/open/async", self.alice)
        self.assert_replayed(self.post("/open/async", self.alice), first)
        self.assertEqual(self.entries(), 1)

    def test_login_required_middleware_passes_first(self):
        with CHECKED_MIDDLEWARE:
            self.assertEqual(self.post("/middleware/function").status_code, 302)
            first = self.post("/middleware/function", self.alice)
            self.assert_replayed(self.post("/middleware/function", self.alice), first)
            self.assertEqual(self.post("/middleware/function").status_code, 302)
        self.assertEqual((self.entries(), RequestRecord.objects.count()), (1, 1))

    def test_all_views_guards_inside_the_checks_of_each_framework(self):
        for path in self.each(PLAIN):
            with ALL_VIEWS:
                self.assertIn(self.post(path).status_code, (401, 403))
                first = self.post(path, self.alice)
                self.assert_ran(first)
                self.assert_replayed(self.post(path, self.alice), first)
                self.assertIn(self.post(path).status_code, (401, 403))
                self.assert_ran(self.post(path, self.bob))

    def test_all_views_leaves_what_it_prepared_alone_when_it_is_off_again(self):
        for path in self.each(PLAIN):
            with ALL_VIEWS:
                self.assert_ran(self.post(path, self.alice))
            for _ in range(2):
                self.assert_ran(self.post(path, self.alice))

    def test_all_views_leaves_an_exempt_class_alone(self):
        with ALL_VIEWS:
            for _ in range(2):
                self.assert_ran(self.post("/exempt/django", self.alice))

    def test_all_views_guards_decorated_views_once(self):
        for path in self.each([*DJANGO, *REST, *NINJA]):
            with ALL_VIEWS:
                first = self.post(path, self.alice)
                self.assert_ran(first)
                self.assert_replayed(self.post(path, self.alice), first)


class AsyncFrameworkTests(FrameworkTests):
    asynchronous = True
