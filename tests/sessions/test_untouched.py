"""What costs nothing, and what a wrong clock of the web server changes: nothing."""

import time
from datetime import timedelta
from unittest.mock import patch

from django.http import HttpResponse
from django.test import RequestFactory, TransactionTestCase, override_settings
from django.utils import timezone

from django_dist.sessions import SessionMiddleware
from django_dist.testing.session_harness import SessionHarness
from lengths import rounds
from services import needs

from .test_redis import Own

REQUESTS = rounds(500, 100_000)
HOUR_S = 3600.0


class Untouched(SessionHarness):
    def visit(self, **cookies):
        def view(request):
            return HttpResponse(str(dict(request.session.items())))

        request = RequestFactory().get("/")
        request.COOKIES.update(cookies)
        return SessionMiddleware(view)(request)

    def test_visitors_without_a_cookie_that_only_read_ask_no_store(self):
        def visits():
            for _ in range(REQUESTS):
                self.assertEqual(dict(self.visit().cookies), {})

        self.assertEqual(self.asked(visits), 0)
        self.assertEqual(self.count(), 0)

    def test_cookie_that_cannot_be_a_key_asks_no_store(self):
        for value in ("short", "A" * 32, "a" * 31, "a\0" * 16, "x" * 1_000_000, "../" * 11, "é" * 32):
            with self.subTest(value[:20]):
                self.assertEqual(self.asked(lambda value=value: self.visit(sessionid=value)), 0)

    def test_wrong_clock_of_a_web_server_ends_and_keeps_nothing(self):
        real_time, real_now = time.time, timezone.now
        for wrong in (-HOUR_S, HOUR_S):
            with (
                self.subTest(wrong),
                override_settings(SESSION_COOKIE_AGE=600),
                patch("time.time", lambda wrong=wrong: real_time() + wrong),
                patch.object(timezone, "now", lambda wrong=wrong: real_now() + timedelta(seconds=wrong)),
            ):
                key = self.saved(a=1)
                self.assertEqual(self.now(key), {"a": 1})
                self.assertAlmostEqual(self.left(key), 600, delta=60)
                session = self.opened(key)
                session.touch()
                self.assertAlmostEqual(self.left(key), 600, delta=60)
                self.end(key)
                self.assertEqual(self.now(key), {})


class SQLiteTests(Untouched, TransactionTestCase):
    pass


@needs("postgres")
class PostgreSQLTests(Untouched, TransactionTestCase):
    database = "postgres"


@needs("mysql")
class MariaDBTests(Untouched, TransactionTestCase):
    database = "mysql"


@needs("redis")
class RedisTests(Own, Untouched, TransactionTestCase):
    pass
