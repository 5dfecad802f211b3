"""dist_purge where requests are in Redis, too: there is nothing to do there, and one that is down keeps nobody else."""

from io import StringIO

from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import TransactionTestCase, override_settings

from django_dist.models import RequestRecord
from services import needs
from wheel_servers import free_port

from .records import make
from .test_doctor_redis import BACKEND, alias

IN_REDIS = {"BACKEND": BACKEND, "OPTIONS": {"connection": "redis"}, "POLICY": {"mode": "lease"}}
IN_DATABASE = {"OPTIONS": {"database": "default"}}


@needs("redis")
class RedisTests(TransactionTestCase):
    def setUp(self):
        for age_s in (1, 2, -60):
            make(expired_s=age_s)

    def purge(self, **options):
        out = StringIO()
        try:
            call_command("dist_purge", stdout=out, **options)
        except CommandError as error:
            return out.getvalue(), str(error), error.returncode
        return out.getvalue(), "", 0

    def test_redis_that_is_there_says_that_it_needs_no_purge(self):
        with override_settings(DIST_IDEMPOTENCY={"default": IN_REDIS, "other": IN_DATABASE}):
            out, _, status = self.purge()
            quiet, _, _ = self.purge(verbosity=0)
        self.assertEqual(status, 0)
        self.assertIn("requests, alias 'default': the store deletes what expires by itself\n", out)
        self.assertIn("deleted 2 of 2 expired rows", out)
        self.assertRegex(quiet, r"^deleted 0 of 0 expired rows in \d+\.\d s\n$")

    def test_redis_that_is_down_keeps_no_other_alias_from_its_purge(self):
        down = alias(free_port())
        entries = {"default": IN_REDIS, "other": IN_DATABASE}
        with override_settings(DIST_IDEMPOTENCY=entries, CACHES={**settings.CACHES, "redis": down}):
            out, error, status = self.purge()
        self.assertEqual(status, 1)
        self.assertIn("requests, alias 'default': Redis of CACHES['redis'] did not answer", error)
        self.assertNotIn("by itself", out)
        self.assertIn("deleted 2 of 2 expired rows", out)
        self.assertEqual(RequestRecord.objects.count(), 1)
