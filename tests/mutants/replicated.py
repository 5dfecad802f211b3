"""Faults of the replicated engine, each with the tests of test_replicated_faults.py that must fail under it."""

from unittest.mock import patch

from django_dist.exceptions import SessionStoreUnavailable
from django_dist.sessions import replicated
from django_dist.sessions.database import DatabaseSessions
from django_dist.sessions.redis import RedisSessions
from django_dist.sessions.replica import Replica
from mutants import catalogue

from .session_scripts import changed

LOGOUT = "test_logout_while_redis_was_away_lasts"
STILL = "test_change_while_redis_stood_still_is_not_lost"
AGREE = "test_stores_agree_whoever_came_first"
MUTANTS, mutant = catalogue()


@mutant("test_every_write_is_in_both", "test_sessions_outlive_a_redis_that_is_killed")
def one_store_has_all():
    return patch.object(replicated.ReplicatedSessions, "_spread", lambda *a: True)


@mutant(LOGOUT, STILL)
def nothing_is_remembered_for_a_store_that_is_away():
    return patch.object(Replica, "remember", lambda *a: None)


@mutant(LOGOUT, STILL)
def nothing_is_handed_over():
    return patch.object(replicated, "hand_over", lambda replica: 0)


@mutant(LOGOUT, "test_every_write_is_in_both")
def end_leaves_no_tombstone():
    def bury(self, digest):
        self.ask("delete", self.key(digest))

    return patch.object(Replica, "bury", bury)


@mutant("test_redis_that_comes_back_with_old_data_revives_nobody")
def restart_is_not_noticed():
    return patch.object(RedisSessions, "epoch", lambda self: "")


@mutant("test_redis_that_forgot_everything_gets_it_again")
def copies_are_not_repaired():
    return patch.object(replicated, "_repair", lambda *a: None)


@mutant("test_nobody_is_logged_out_while_all_are_away", "test_what_the_one_that_answers_has_not_may_be_in_the_other")
def silence_is_no_session():
    read = replicated.ReplicatedSessions.read

    def deaf(self, digest):
        try:
            return read(self, digest)
        except SessionStoreUnavailable:
            return None

    return patch.object(replicated.ReplicatedSessions, "read", deaf), patch.object(
        replicated.ReplicatedSessions, "read_newest", deaf
    )


@mutant("test_write_that_too_few_have_is_told")
def quorum_is_not_counted():
    spread = replicated.ReplicatedSessions._spread

    def careless(self, leader, digest, copy):
        try:
            return spread(self, leader, digest, copy)
        except SessionStoreUnavailable:
            return True

    return patch.object(replicated.ReplicatedSessions, "_spread", careless)


@mutant("test_rollback_leaves_no_copy_ahead")
def copies_do_not_wait_for_the_commit():
    return patch.object(replicated, "_transaction_of", lambda replica: None)


@mutant(AGREE)
def last_copy_wins_in_redis():
    return changed("PUT", ("not greater(ARGV[1], had[2])", "false"))


@mutant(AGREE)
def texts_are_compared_by_the_servers_language():
    return changed("PUT", ("a > b", "a < b"))


@mutant("test_sessions_outlive_a_database_that_is_away")
def copy_out_of_redis_ends_at_once():
    return changed("WHOLE", ("redis.call('PTTL', KEYS[1])", "1"))


@mutant("test_sessions_outlive_a_database_that_is_away")
def redis_remembers_nothing():
    return changed("NOTED", ("ARGV[2] - 1", "-2"), ("ZRANGE', KEYS[1], 0", "ZRANGE', KEYS[1], -1"))


@mutant(AGREE)
def last_copy_wins_in_the_database():
    put = DatabaseSessions.put

    def overwriting(self, digest, version, row):
        self._write("delete", digest)
        return put(self, digest, version, row)

    return patch.object(DatabaseSessions, "put", overwriting)


@mutant("test_dead_store_is_asked_once_and_told_once")
def dead_store_is_asked_each_time():
    turned = Replica._turned

    def hopeful(self, is_up, error=None):
        turned(self, is_up, error)
        self.is_up = True

    return patch.object(Replica, "_turned", hopeful)


@mutant("test_store_that_is_back_is_told_and_used", "test_change_while_redis_stood_still_is_not_lost")
def store_that_was_away_is_given_up():
    return patch.object(replicated.ReplicatedSessions, "_look", lambda self: None)


@mutant("test_sessions_outlive_a_database_that_is_away")
def database_must_have_every_write():
    return patch.object(replicated.ReplicatedSessions, "_copied", lambda self, at, leader, digest, copy: copy(at))


@mutant("test_doctor_tells_who_is_away_and_repairs")
def doctor_repairs_nothing():
    return patch("django_dist.management.commands.dist_doctor.repair_sessions", lambda: 0)
