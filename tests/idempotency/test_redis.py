"""Mode ``lease`` on Redis and Valkey: the shipped suites, under WSGI and ASGI."""

import unittest

from django.test import TransactionTestCase

from django_dist.testing.idempotency import LastWritesConformance, LeaseConformance
from idempotency.redis_harness import RedisHarness
from services import needs

#: What counts on writes that are rolled back with the claim: Redis is in no transaction with them.
ROLLED_BACK = [
    "test_answer_5xx_is_rolled_back_and_runs_again",
    "test_answer_marked_for_rollback_is_recorded_without_its_writes",
    "test_body_over_djangos_limit_is_answered_as_without_us_and_not_recorded",
    "test_broken_form_is_answered_as_without_us_and_not_recorded",
    "test_form_over_djangos_limit_is_not_recorded",
    "test_http404_is_recorded_and_its_writes_are_rolled_back",
    "test_on_commit_hook_that_raises_is_500_and_the_repeat_a_replay",
    "test_permission_denied_is_not_frozen",
    "test_record_success_does_not_keep_4xx",
    "test_refusals_that_pass_are_never_recorded",
    "test_rendering_error_rolls_back",
    "test_success_marked_for_rollback_is_not_recorded",
    "test_view_that_raises_is_rolled_back_and_runs_again",
]


def without_rollback(suite):
    """Skip, and say so, what is promised of a database alone."""
    for name in ROLLED_BACK:
        assert hasattr(suite, name)
        setattr(suite, name, unittest.skip("the view's writes are not in Redis")(lambda self: None))
    return suite


@needs("redis")
class RedisTests(RedisHarness, LeaseConformance, TransactionTestCase):
    pass


@needs("redis")
@without_rollback
class RedisAnswersTests(RedisHarness, LastWritesConformance, TransactionTestCase):
    pass


@needs("redis")
class AsyncRedisTests(RedisHarness, LeaseConformance, TransactionTestCase):
    asynchronous = True


@needs("valkey")
class ValkeyTests(RedisHarness, LeaseConformance, TransactionTestCase):
    connection = "valkey"


@needs("valkey")
@without_rollback
class ValkeyAnswersTests(RedisHarness, LastWritesConformance, TransactionTestCase):
    connection = "valkey"


@needs("valkey")
class AsyncValkeyTests(RedisHarness, LeaseConformance, TransactionTestCase):
    connection = "valkey"
    asynchronous = True
