"""The system checks of session engines."""

from unittest import mock

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


class SessionCheckTests(ChecksCase):
    def ids(self, engine, options=None, **settings):
        sessions = {"default": {"OPTIONS": options or {}}}
        settings.setdefault("MIDDLEWARE", ["django_dist.sessions.SessionMiddleware"])
        with override_settings(SESSION_ENGINE=engine, DIST_SESSIONS=sessions, **settings):
            names = ("E042", "E043", "E044", "W043", "W044")
            return {message.id for message in self.found()} & {f"django_dist.{name}" for name in names}

    def test_option_that_is_not_there_is_an_error(self):
        for wrong in ({"touch_evry": 1}, {"max_age": "long"}, {"read_from": "nowhere"}, {"on_conflict": "first"}):
            with self.subTest(wrong):
                self.assertEqual(self.ids("django_dist.sessions.database", wrong), {"django_dist.E042"})
        self.assertEqual(self.ids("django_dist.sessions.database"), set())

    def test_encryption_without_its_library_is_an_error(self):
        for there, told in ((None, {"django_dist.E044"}), (object(), set())):
            with mock.patch("django_dist.checks.sessions.find_spec", return_value=there):
                self.assertEqual(self.ids("django_dist.sessions.database", {"encrypt": True}), told)
                self.assertEqual(self.ids("django_dist.sessions.database"), set())

    def test_middleware_of_djangos_is_told(self):
        djangos = ["django.contrib.sessions.middleware.SessionMiddleware"]
        ours = ["django_dist.sessions.SessionMiddleware"]
        for engine, middleware, told in (
            ("django_dist.sessions.database", djangos, {"django_dist.W043"}),
            ("django_dist.sessions.database", ours, set()),
            ("django.contrib.sessions.backends.db", djangos, set()),
        ):
            self.assertEqual(self.ids(engine, MIDDLEWARE=middleware), told)

    def test_serializer_that_pickles_is_told(self):
        pickles = {"SESSION_SERIALIZER": "django_redis.serializers.pickle.PickleSerializer"}
        self.assertEqual(self.ids("django_dist.sessions.database", **pickles), {"django_dist.W044"})
        self.assertEqual(self.ids("django.contrib.sessions.backends.db", **pickles), set())
        self.assertEqual(self.ids("django_dist.sessions.database"), set())

    def test_cache_that_is_no_redis_of_django_redis_is_an_error(self):
        engine = "django_dist.sessions.redis"
        memory = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
        redis = {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": "redis://127.0.0.1:1"}}
        self.assertEqual(self.ids(engine, CACHES=memory), {"django_dist.E043"})
        self.assertEqual(self.ids(engine, {"connection": "other"}, CACHES=redis), {"django_dist.E043"})
        self.assertEqual(self.ids(engine, CACHES=redis), set())
