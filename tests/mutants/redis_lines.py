"""Faults of what is sent to Redis, sent again, and lost on the way; see redis.py."""

from unittest.mock import patch

from redis.exceptions import RedisError

from django_dist.exceptions import BackendUnavailable
from django_dist.idempotency import lease, redis_leases, steps
from django_dist.idempotency.base import Record
from mutants.redis import Leases, changed, mutant

TWICE = "test_call_that_is_sent_twice_does_no_more_than_once"
BYTES = "test_answer_comes_back_byte_for_byte"
TRIPS = "test_first_request_is_two_round_trips_and_a_replay_one"
LOST = "test_redis_that_does_not_answer_is_unavailable_and_a_lost_finish_unknown"
CLAIM_LOST = "test_claim_whose_reply_is_lost_is_refused_and_the_view_not_run"
CALL_LOST = "test_call_whose_announcement_is_lost_is_not_made_and_not_unknown"
RESULT_LOST = "test_result_whose_reply_is_lost_is_found_by_the_repeat_if_it_came"
ANSWER_LOST = "test_answer_whose_reply_is_lost_is_unknown_and_replayed_if_it_came"
SENT_AGAIN = "test_client_that_sends_again_by_itself_notices_no_loss"


@mutant("test_claim_that_is_sent_again_begins_its_lease_anew")
def claim_that_is_sent_again_is_of_no_use():
    return changed("TAKE", "row[2] == ARGV[1] or ")


@mutant(TWICE, SENT_AGAIN)
def answer_that_is_sent_again_is_refused():
    return changed("FINISH", " or had[1] == 'held'", " or had[1] ~= 'running'")


@mutant(TWICE)
def hold_that_is_sent_again_is_refused():
    return changed("HOLD", " or had[1] == 'finished'", " or had[1] ~= 'running'")


@mutant(LOST, ANSWER_LOST)
def lost_answer_is_a_store_that_was_down():
    def init(self, message, *, committing=False):
        Exception.__init__(self, message)
        self.committing = False

    return patch.object(BackendUnavailable, "__init__", init)


@mutant(LOST, ANSWER_LOST)
def lost_answer_is_taken_for_recorded():
    finished = Leases.finish

    def finish(self, claim, owner, answer):
        try:
            return finished(self, claim, owner, answer)
        except BackendUnavailable:
            return True

    return patch.object(Leases, "finish", finish)


@mutant(LOST, CLAIM_LOST)
def lost_claim_is_taken_for_given():
    taken = Leases.take

    def take(self, claim, owner):
        try:
            return taken(self, claim, owner)
        except BackendUnavailable:
            return lease.Standing(owner, False, False, Record(claim.fingerprint, None, None), None, claim.lease)

    return patch.object(Leases, "take", take)


@mutant(RESULT_LOST)
def lost_result_is_written_over():
    return patch.object(lease.LeaseAttempt, "lapse", lambda self: None)


@mutant(RESULT_LOST)
def lost_result_is_a_call_that_was_not_made():
    return patch.object(steps.Steps, "is_unknown", lambda *_: False)


@mutant(CALL_LOST)
def lost_announcement_is_a_call():
    return patch.object(steps.Steps, "forget", lambda *_: None)


@mutant("test_scripts_that_redis_has_forgotten_are_sent_anew")
def forgotten_script_is_an_error():
    class Never(RedisError):
        pass

    return patch.object(redis_leases, "NoScriptError", Never)


@mutant(BYTES)
def answers_are_decoded():
    def send(self, command, script, given):
        return self.client.execute_command(command, script, 1, *given)

    return patch.object(Leases, "_send", send)


@mutant("test_answer_that_is_not_kept_is_none")
def answer_that_is_not_kept_is_empty():
    finished = Leases.finish

    def finish(self, claim, owner, answer):
        return finished(self, claim, owner, answer._replace(body=answer.body or b""))

    return patch.object(Leases, "finish", finish)


@mutant("test_key_has_its_digest_as_hash_tag")
def key_has_no_hash_tag():
    return patch.object(Leases, "key", lambda self, digest: f"{self._prefix}{digest.hex}".encode())


@mutant(TRIPS)
def claim_looks_first():
    taken = Leases.take

    def take(self, claim, owner):
        self.look(claim.digest)
        return taken(self, claim, owner)

    return patch.object(Leases, "take", take)


@mutant("test_step_is_two_round_trips")
def step_asks_again():
    kept = Leases.keep

    def keep(self, claim, owner, steps):
        return kept(self, claim, owner, None) and kept(self, claim, owner, steps)

    return patch.object(Leases, "keep", keep)
