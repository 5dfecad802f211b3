"""The system check of the cookie engine."""

from django.test import override_settings

from .test_checks import ChecksCase

ENGINE = "django_dist.sessions.cookie"


class CookieCheckTests(ChecksCase):
    def ids(self, options=None, engine=ENGINE, **settings):
        sessions = {"default": {"OPTIONS": options or {}}}
        with override_settings(SESSION_ENGINE=engine, DIST_SESSIONS=sessions, **settings):
            return {message.id for message in self.found()} & {
                f"django_dist.{name}" for name in ("E041", "W041", "W042")
            }

    def test_defaults_are_right(self):
        self.assertEqual(self.ids(), set())

    def test_cookie_without_room_for_a_login_is_an_error(self):
        long = {"SESSION_COOKIE_DOMAIN": "a." * 60 + "example.org", "SESSION_COOKIE_PATH": "/p" * 50}
        self.assertEqual(self.ids({"budget_bytes": 600}, **long), {"django_dist.E041"})
        self.assertEqual(self.ids({"budget_bytes": 600}), set())

    def test_limits_above_those_of_browsers_and_proxies_are_told(self):
        self.assertEqual(self.ids({"hard_limit_bytes": 4097}), {"django_dist.W041"})
        self.assertEqual(self.ids({"budget_bytes": 3801}), {"django_dist.W042"})
        self.assertEqual(self.ids({"budget_bytes": 3800, "hard_limit_bytes": 4096}), set())

    def test_other_engines_are_not_asked(self):
        engine = "django.contrib.sessions.backends.db"
        self.assertEqual(self.ids({"hard_limit_bytes": 9000, "budget_bytes": 9000}, engine), set())
