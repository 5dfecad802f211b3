"""The shipped suite over the cookie engine, where each session is too large for its cookie and lies on the server.

What stays in the cookie has no store that the suite could look into: test_cookie.py holds that.
"""

from django.test import TransactionTestCase

from django_dist.testing.sessions import SessionConformance


class SpilledTests(SessionConformance, TransactionTestCase):
    engine = "django_dist.sessions.cookie"

    def with_options(self, **options):
        super().with_options(on_overflow="spill", budget_bytes=100, **options)
