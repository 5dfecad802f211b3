"""Faults of mode lease on Redis, each with the behaviours that must fail under it; more in redis_lines.py."""

from unittest.mock import patch

from django_dist.idempotency import lease, redis_leases
from django_dist.idempotency.redis_scripts import NOW, Script

from . import catalogue

STRANGER = "test_nobody_but_the_owner_changes_anything"
LATE_OWNER = "test_lease_that_has_run_out_is_taken_with_its_steps_and_the_late_owner_refused"
LATE_ANSWER = "test_lease_lost_keeps_the_late_answer_from_being_recorded"
NOT_RUN_OUT = "test_lease_that_has_not_run_out_is_its_owners"
RENEWED = "test_lease_is_renewed_while_the_view_runs"
LEFT = "test_what_was_left_is_free_at_once_for_the_same_request_alone"
HAS_LEFT = "test_who_has_left_owns_no_more"
FORGOTTEN = "test_what_redis_has_forgotten_comes_not_back_by_its_late_owner"
NEVER_TAKEN = "test_finished_and_held_are_never_taken_and_held_never_expires"
HELD = "test_held_request_is_nobodys"
FINISHED = "test_finished_request_stays_as_it_is"
LIFE = "test_record_lives_for_ttl_and_a_lease_longer_than_that_keeps_it"
LONGER_LIFE = "test_renewed_lease_outlives_the_ttl"
NOT_SHORTER = "test_lease_does_not_shorten_the_life_of_a_record"
IN_BLOCK = "test_step_in_a_transaction_is_an_error_and_no_result_outlives_its_writes"

Leases = redis_leases.RedisLeases
OF_OWNER = " or had[2] ~= ARGV[1]"
MUTANTS, mutant = catalogue()


def changed(name, old, new=""):
    """Put ``new`` in the place of ``old`` in the script ``name``."""
    text = getattr(redis_leases, name).text
    assert old in text, f"{name} has no {old!r} any more"
    return patch.object(redis_leases, name, Script(text.replace(old, new)))


# -- the owner --


@mutant(STRANGER, LATE_OWNER, LATE_ANSWER)
def owner_is_not_asked_by_finish():
    return changed("FINISH", "had[2] ~= ARGV[1] or ")


@mutant(STRANGER, LATE_OWNER, HAS_LEFT)
def owner_is_not_asked_by_keep():
    return changed("KEEP", OF_OWNER)


@mutant(STRANGER)
def owner_is_not_asked_by_renew():
    return changed("RENEW", OF_OWNER)


@mutant(STRANGER)
def owner_is_not_asked_by_release():
    return changed("RELEASE", OF_OWNER)


@mutant(STRANGER, HAS_LEFT)
def owner_is_not_asked_by_hold():
    return changed("HOLD", "had[2] ~= ARGV[1] or ")


@mutant(HAS_LEFT)
def who_has_left_stays_the_owner():
    return changed("RELEASE", ", 'owner', ''")


@mutant(FORGOTTEN)
def forgotten_claim_is_recorded_by_its_owner():
    return changed("FINISH", "had[2] ~= ARGV[1]", "(had[2] and had[2] ~= ARGV[1])")


# -- the lease --


@mutant(NOT_RUN_OUT, "test_lease_waiter_gets_the_answer_and_one_that_must_not_wait_is_refused")
def live_lease_is_taken_over():
    return changed("TAKE", "left <= 0 and ")


@mutant(LATE_OWNER, "test_lease_that_has_run_out_is_taken_over_by_one_that_waits")
def nobody_takes_over():
    return changed("TAKE", " or (left <= 0", " or (false")


@mutant("test_clock_of_the_web_server_decides_nothing")
def time_is_the_clients():
    import time

    sent = Leases._send
    ours = {name: getattr(redis_leases, name).text for name in ("TAKE", "LOOK", "KEEP", "RENEW")}
    clock = "local now = tonumber(ARGV[#ARGV])\n"
    scripts = {name: Script(text.replace(NOW, clock)) for name, text in ours.items()}
    timed = {script.sha for script in scripts.values()} | {script.text for script in scripts.values()}

    def send(self, command, script, given):
        return sent(self, command, script, [*given, int(time.time() * 1000)] if script in timed else given)

    def renew(self, owners, seconds):
        for digest, owner in owners.items():
            self._run(redis_leases.RENEW, digest, owner, int(seconds * 1000))

    patches = [patch.object(redis_leases, name, script) for name, script in scripts.items()]
    return (*patches, patch.object(Leases, "_send", send), patch.object(Leases, "renew", renew))


@mutant(LONGER_LIFE, RENEWED)
def renewal_does_not_move_the_end_of_the_lease():
    return changed("RENEW", "redis.call('HSET', KEYS[1], 'until', now + ARGV[2])")


@mutant(LONGER_LIFE)
def renewed_lease_ends_with_the_record():
    return changed("RENEW", "redis.call('PEXPIRE', KEYS[1], ARGV[2])")


@mutant(LIFE)
def lease_ends_with_the_record():
    return changed("TAKE", "math.max(tonumber(ARGV[2]), tonumber(ARGV[3]))", "ARGV[3]")


@mutant(NOT_SHORTER)
def record_ends_with_the_lease():
    return changed("KEEP", "if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then", "if true then")


@mutant(LIFE)
def answer_lives_as_long_as_the_lease():
    return changed("FINISH", "redis.call('PEXPIRE', KEYS[1], ARGV[2])")


# -- what is left --


@mutant(LEFT, "test_step_that_has_ended_is_not_called_by_the_retry")
def steps_are_lost_on_release():
    return changed("RELEASE", "'steps', ARGV[2]", "'steps', '{}'")


@mutant("test_what_was_left_without_steps_is_gone")
def what_was_left_without_steps_stays():
    return changed("RELEASE", "redis.call('DEL', KEYS[1])")


@mutant(LEFT)
def lease_is_not_let_go():
    return changed("RELEASE", ", 'until', 0")


@mutant(LEFT)
def fingerprint_is_not_compared():
    return changed("TAKE", " and row[3] == ARGV[4]")


@mutant(LEFT)
def binding_is_not_compared():
    return changed("TAKE", " and row[4] == ARGV[5]")


@mutant(HELD)
def held_can_be_taken():
    return changed("TAKE", "if row[1] ~= 'running' and row[1] then", "if row[1] == 'finished' then")


@mutant(NEVER_TAKEN)
def held_can_be_finished():
    return changed("FINISH", " or had[1] == 'held'")


@mutant(HELD)
def held_can_be_let_go():
    return changed("RELEASE", "had[1] ~= 'running' or ")


@mutant(NEVER_TAKEN, HELD)
def held_expires():
    return changed("HOLD", "redis.call('PERSIST', KEYS[1])")


@mutant(FINISHED)
def finished_can_be_held():
    return changed("HOLD", " or had[1] == 'finished'")


@mutant(FINISHED)
def finished_can_be_let_go():
    return changed("RELEASE", "had[1] ~= 'running' or ")


@mutant(IN_BLOCK, "test_lease_under_atomic_requests_is_an_error_that_names_the_mend")
def blocks_are_not_refused():
    return patch.object(lease.LeaseStore, "refuse_block", lambda *_: None)
