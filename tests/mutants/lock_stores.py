"""Faults of the stores of locks, of fenced rows and of row locks, each with the tests that must fail under it."""

from contextlib import nullcontext
from types import SimpleNamespace
from unittest.mock import patch

from django.db import connections, models

from django_dist.idempotency.redis_scripts import Script
from django_dist.locks import fenced, lease, postgres, redis, row
from django_dist.locks.base import Grant
from django_dist.locks.fenced import FencedModel
from django_dist.locks.moment import SURE, moment
from django_dist.locks.sql import advisory as sql

from . import catalogue

MUTANTS, mutant_caught_by = catalogue()


def mutant(where, *tests):
    """Enter a fault, with the class of tests, as module and name, and those of it that must fail."""
    return mutant_caught_by(where, *(f"test_{test}" for test in tests))


def scripts(old, new, *names):
    """Put ``new`` in the place of ``old`` in scripts of Redis."""
    changed = []
    for name in names:
        text = getattr(redis, name).text
        assert old in text, old
        changed.append(patch.object(redis, name, Script(text.replace(old, new))))
    return tuple(changed)


# -- Redis --

REDIS = "test_redis.RedisTests"
FREEING = ("RELEASE", "LEAVE", "BREAK")


@mutant(
    REDIS, "who_waits_comes_in_turn_and_nobody_gets_in_between", "who_waits_is_told",
    "lease_of_who_was_told_late_is_counted_from_the_grant",
)  # fmt: skip
def nobody_is_told():
    return scripts("redis.call('ZPOPMIN', KEYS[2])[1]", "false", *FREEING)


@mutant(REDIS, "who_waits_comes_in_turn_and_nobody_gets_in_between", "tasks_come_in_turn")
def last_comes_first():
    return scripts("ZPOPMIN", "ZPOPMAX", *FREEING)


@mutant(REDIS, "process_that_was_killed_while_it_waited_is_passed_over")
def dead_are_granted():
    return scripts("heard > 0", "heard >= 0", *FREEING)


@mutant(REDIS, "grant_to_who_has_just_given_up_is_freed")
def leaving_frees_nothing():
    return scripts("if mine then", "if false then", "LEAVE")


@mutant(REDIS, "who_gives_up_leaves_the_queue")
def leaving_stays_in_the_queue():
    return scripts("redis.call('ZREM', KEYS[2], ARGV[4])", "", "LEAVE")


@mutant(REDIS, "grant_to_who_could_not_say_that_he_left_is_freed_when_it_is_told")
def who_left_is_forgotten():
    return patch.object(redis.RedisLocks, "_told", lambda self, message: None)


@mutant(REDIS, "lease_of_who_was_told_late_is_counted_from_the_grant")
def lease_is_counted_from_hearing():
    def note(waiter, sent, queued):
        if waiter.told is not None:
            waiter.grant = Grant(waiter.told[0], moment() + SURE * waiter.ttl)

    return patch.object(redis, "_note", note)


@mutant(REDIS, "who_waits_asks_seldom")
def who_waits_asks_often():
    return patch.object(redis, "TOLD_S", 0.05)


@mutant(REDIS, "who_is_not_told_asks")
def who_waits_never_asks():
    return patch.object(redis, "TOLD_S", 1000.0)


@mutant(REDIS, "fence_grows_though_the_clock_goes_back_or_the_key_is_lost")
def fence_is_the_clock_alone():
    return scripts("fence = math.max(fence + 1, now)", "fence = now", "ACQUIRE")


@mutant(REDIS, "fence_grows_though_the_clock_goes_back_or_the_key_is_lost")
def fence_is_counted_alone():
    return scripts("fence = math.max(fence + 1, now)", "fence = fence + 1", "ACQUIRE")


@mutant(REDIS, "key_is_forgotten_a_day_after_its_end")
def keys_last_for_ever():
    return scripts("redis.call('PEXPIRE', KEYS[1]", "tostring(KEYS[1]", "ACQUIRE", "RELEASE")


# -- advisory locks --

ADVISORY = "test_advisory.AdvisoryTests"


@mutant(ADVISORY, "lock_in_a_savepoint_outlasts_it")
def lock_ends_with_a_savepoint():
    real = postgres.AdvisoryLocks._beside

    def beside(self, name, owner, ttl, wait):
        own = connections[self.database]
        return self._inside(own, name, wait) if own.in_atomic_block else real(self, name, owner, ttl, wait)

    return patch.object(postgres.AdvisoryLocks, "_beside", beside)


@mutant(ADVISORY, "other_owner_in_the_same_transaction_is_refused")
def session_gets_its_own_lock_again():
    return patch.object(sql, "OWN", "SELECT 1 WHERE %s = 0")


@mutant("test_conformance.AdvisoryTests", "lease_ends_when_its_time_is_over_and_not_before")
def server_knows_of_no_lease():
    return patch.object(sql, "HOLD", "SELECT %s, %s")


@mutant(ADVISORY, "fences_pass_those_of_a_server_that_has_forgotten")
def fences_go_on_after_a_start():
    return patch.object(postgres.AdvisoryLocks, "_fence", lambda self, cursor, fence, started: fence)


@mutant(ADVISORY, "deadlock_is_told_as_a_timeout")
def deadlock_is_an_outage():
    return patch.object(postgres, "REFUSED", ("55P03",))


@mutant(ADVISORY, "wait_in_a_transaction_ends_in_time_and_leaves_it_usable")
def wait_has_no_savepoint():
    return patch.object(postgres, "transaction", SimpleNamespace(atomic=lambda using: nullcontext()))


@mutant(ADVISORY, "who_waits_in_a_transaction_is_next")
def lock_timeout_is_left_behind():
    return patch.object(sql, "WAIT", sql.WAIT.replace("set_config('lock_timeout', %s, true)", "%s"))


# -- fenced rows --

FENCED = "test_fenced.FencedTests"


@mutant(FENCED, "late_holder_is_refused_though_its_follower_has_only_read", "late_holder_cannot_enter")
def fence_is_not_raised_by_entering():
    def enter(cls, lease, **lookup):
        row = cls._default_manager.get(**lookup)
        row._state.__dict__["dist_entered"] = lease.name, row.fence
        return row

    return patch.object(FencedModel, "enter", classmethod(enter))


@mutant(
    FENCED, "late_holder_is_refused_though_its_follower_has_only_read", "versions_and_fences_are_both_asked",
    "who_never_entered_is_refused_once_somebody_has", "save_does_not_lower_the_fence",
    "table_of_the_parent_refuses_for_its_child",
)  # fmt: skip
def save_asks_no_fence():
    return patch.object(FencedModel, "_do_update", models.Model._do_update)


@mutant(FENCED, "late_holder_does_not_win_by_reading_anew")
def reading_anew_takes_the_fence():
    return patch.object(FencedModel, "_entered", lambda self: (self._meta.label, self.fence))


@mutant(FENCED, "late_holder_does_not_win_by_reading_anew", "versions_and_fences_are_both_asked")
def delete_asks_no_fence():
    return patch.object(FencedModel, "delete", models.Model.delete)


@mutant(FENCED, "lease_that_is_over_cannot_enter")
def lease_is_not_asked():
    return patch.object(lease.Lease, "require", lambda self: None)


@mutant(FENCED, "rows_under_a_fence_are_left_alone_where_another_has_entered")
def under_is_over_all():
    return patch.object(FencedModel, "under", classmethod(lambda cls, lease: cls._default_manager.all()))


@mutant(FENCED, "versions_and_fences_are_both_asked")
def entering_is_a_change():
    return patch.object(
        fenced, "models", SimpleNamespace(QuerySet=lambda cls, using: cls._default_manager.using(using))
    )


# -- row locks --

MARIADB = "test_row.MariaDBTests"


@mutant(MARIADB, "filter_that_no_index_serves_is_refused", "indexes_are_those_of_the_database")
def no_index_is_asked_for():
    return patch.object(row, "_require_index", lambda *given, **options: None)


@mutant(MARIADB, "search_that_reads_the_whole_table_all_the_same_is_refused_where_it_is_asked_for")
def plan_is_not_asked_for():
    return patch.object(row, "WHOLE", ())


@mutant(MARIADB, "row_that_is_not_there_is_refused")
def missing_rows_are_locked():
    return patch.object(row, "_require_all", lambda rows, found: None)


@mutant(MARIADB, "timeout_leaves_the_transaction_usable")
def timeouts_are_not_told():
    return patch.object(row, "BUSY", frozenset())


@mutant("test_row.SQLiteTests", "database_is_locked_though_nothing_was_written")
def nothing_is_written_on_sqlite():
    return patch.dict(row._BOUNDS, sqlite=lambda *given: nullcontext())
