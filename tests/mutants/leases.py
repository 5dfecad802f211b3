"""Faults of mode lease and of its steps, each with the behaviours of LeaseConformance that must fail under it."""

import contextlib
from unittest.mock import patch
from uuid import NAMESPACE_URL, uuid4, uuid5

from django_dist import exceptions
from django_dist.clock import StoreTime
from django_dist.idempotency import database_leases, lease, own, renewer, step_block, stepping, steps

from . import catalogue

HELD = "test_step_of_unknown_outcome_is_held_where_it_must_not_be_repeated"
RESOLVED = "test_step_of_unknown_outcome_is_resolved"
CANNOT_TELL = "test_step_that_the_resolver_cannot_tell_of_is_held"
NEVER_HAPPENED = "test_step_that_the_resolver_says_never_happened_is_called_again"
BY_DEFAULT = "test_step_of_unknown_outcome_is_called_again_by_default"
SAME_KEY = "test_step_that_raised_is_called_again_under_the_same_key"
ONCE = "test_step_that_has_ended_is_not_called_by_the_retry"
REPEAT = "test_lease_repeat_gets_the_answer_of_the_first"
LATE_ANSWER = "test_lease_lost_keeps_the_late_answer_from_being_recorded"
LATE_WRITES = "test_lease_lost_takes_the_last_writes_along"
LATE_STEP = "test_late_owners_step_is_refused_and_its_writes_are_undone"
LATE_CHECK = "test_lease_lost_is_told_by_check_and_the_view_ends_with_409"
LAST_WRITES = "test_last_writes_are_committed_with_the_answer_alone"
LET_GO = "test_lease_is_let_go_when_the_view_raises_or_answers_5xx"
CONSTRAINT = "test_constraint_that_fails_with_the_answer_lets_the_request_go_at_once"
WAITER = "test_lease_waiter_gets_the_answer_and_one_that_must_not_wait_is_refused"
STATEMENTS = "test_lease_takes_three_statements_and_a_replay_is_counted"
ANSWER_LOST = "test_answer_whose_reply_is_lost_is_503_outcome_unknown"
RESULT_LOST = "test_step_whose_commit_is_not_answered_keeps_what_was_committed"
UNANNOUNCED = "test_step_that_could_not_be_announced_is_not_called_and_not_unknown"
HOOK = "test_hook_of_the_last_writes_that_raises_is_500_and_the_repeat_a_replay"
STEP_HOOK = "test_hook_of_a_step_that_raises_leaves_the_result"

Leases, Attempt = database_leases.DatabaseLeases, lease.LeaseAttempt
MUTANTS, mutant = catalogue()
#: Seen on SQLite alone, where a transaction that has read may not write any more.
ON_SQLITE = {"result_is_written_in_a_transaction_that_has_read"}


# -- the lease --


@mutant("test_lease_is_renewed_while_the_view_runs")
def lease_is_never_renewed():
    return patch.object(renewer.Renewer, "add", lambda *_: None)


@mutant("test_lease_is_renewed_no_more_after_max_run")
def lease_is_renewed_for_ever():
    made = renewer._Held.__init__

    def init(self, store, claim, max_run):
        made(self, store, claim, 3600.0)

    return patch.object(renewer._Held, "__init__", init)


@mutant("test_lease_that_has_run_out_is_taken_over_by_one_that_waits", ONCE)
def nobody_takes_over():
    return patch.object(Leases, "_take_over", lambda *_: False)


@mutant(LET_GO, CONSTRAINT)
def lease_is_never_let_go():
    return patch.object(Leases, "release", lambda *_: None)


@mutant(LATE_CHECK, LATE_ANSWER, LATE_WRITES, LATE_STEP)
def owner_is_not_asked():
    def update(self, digest, by, /, **values):
        return bool(self._rows().filter(pk=digest).update(**values))

    def finish(self, claim, owner, answer):
        answered = database_leases._answered(answer)
        return update(self, claim.digest, owner, **answered, expires_at=StoreTime(claim.ttl), **database_leases.ENDED)

    return patch.object(Leases, "_update", update), patch.object(Leases, "finish", finish)


@mutant(REPEAT, "test_lease_refusal_made_from_an_exception_is_recorded")
def answer_is_not_recorded():
    def finish(self, claim, owner, answer):
        self.release(claim, owner, None)
        return True

    return patch.object(Leases, "finish", finish)


@mutant("test_lease_that_has_run_out_is_taken_over_by_one_that_waits")
def nobody_waits():
    return patch.object(lease, "_pauses", lambda _: [0.0])


@mutant(WAITER)
def nobody_is_refused_before_the_first_has_ended():
    taken = Leases.take

    def take(self, claim, owner):
        standing = taken(self, claim, owner)
        return standing._replace(record=standing.record._replace(fingerprint=claim.fingerprint))

    return patch.object(Leases, "take", take)


@mutant(STATEMENTS)
def claim_takes_a_statement_more():
    taken = Leases.take

    def take(self, claim, owner):
        self.look(claim.digest)
        return taken(self, claim, owner)

    return patch.object(Leases, "take", take)


@mutant("test_check_in_a_block_locks_nothing")
def check_locks_the_row():
    def keep(self, claim, owner, steps):
        values = {} if steps is None else {"steps": steps}
        return self._update(claim.digest, owner, leased_until=StoreTime(claim.lease), **values)

    return patch.object(Leases, "keep", keep)


@mutant("test_tries_are_counted_as_far_as_the_column_goes")
def tries_are_counted_beyond_the_column():
    return patch.object(database_leases, "MOST_TRIES", 2**20)


# -- the last writes --


@mutant(LAST_WRITES, LATE_WRITES, CONSTRAINT, "test_second_finishing_is_an_error")
def last_writes_are_in_autocommit():
    return patch.object(database_leases.DatabaseLease, "last_writes", lambda self: contextlib.nullcontext())


@mutant(
    "test_lease_under_atomic_requests_is_an_error_that_names_the_mend",
    "test_step_inside_another_is_an_error_and_nothing_of_it_is_known",
    "test_step_without_autocommit_is_an_error",
)
def blocks_are_not_refused():
    return patch.object(Leases, "refuse_block", lambda *_: None)


@mutant(HOOK, STEP_HOOK)
def hooks_count_as_the_commit():
    noting = (database_leases.DatabaseLease, step_block.DatabaseStepBlock)
    return tuple(patch.object(block, "_note_commit", lambda self: None) for block in noting)


@mutant(ANSWER_LOST, RESULT_LOST)
def lost_commit_is_a_store_that_was_down():
    def init(self, message, *, committing=False):
        Exception.__init__(self, message)
        self.committing = False

    return patch.object(exceptions.BackendUnavailable, "__init__", init)


@mutant("test_store_that_is_down_when_a_failure_is_told_does_not_hide_it")
def store_that_is_down_hides_a_failure():
    def abandon(self):
        self.undo()
        if self.claimed is not None:
            self.store.release(self._end(), self.owner, None)

    return patch.object(Attempt, "abandon", abandon)


@mutant("test_hold_that_the_view_swallows_is_told_all_the_same")
def hold_can_be_swallowed():
    finished = Attempt.finish

    def finish(self, answer):
        return None if self.claimed is None else finished(self, answer)

    return patch.object(Attempt, "finish", finish)


# -- steps --


@mutant(ONCE, HELD, RESOLVED, CANNOT_TELL, "test_results_of_steps_are_copies")
def steps_are_forgotten():
    return patch.object(steps.Steps, "read", classmethod(lambda cls, text: cls()))


@mutant(SAME_KEY, BY_DEFAULT)
def key_of_a_step_is_random():
    return patch.object(own.Idempotency, "derive", lambda self, name: uuid4())


@mutant("test_step_without_a_key_is_called_each_time")
def key_of_a_step_is_its_name():
    return patch.object(own.Idempotency, "derive", lambda self, name: uuid5(NAMESPACE_URL, name))


@mutant(HELD, RESOLVED, CANNOT_TELL)
def unknown_outcome_is_always_rerun():
    return patch.object(stepping, "_is_resolved", lambda *_: False), patch.object(stepping, "UNKNOWN", ())


@mutant("test_step_that_got_no_answer_is_held_and_one_that_was_refused_is_called_again")
def only_python_knows_time_outs():
    return patch.object(stepping, "NO_ANSWER", frozenset())


@mutant(BY_DEFAULT, NEVER_HAPPENED)
def unknown_outcome_is_always_held():
    return patch.object(stepping, "_is_resolved", lambda attempt, call: stepping._hold(attempt, call, "always"))


@mutant("test_step_names_are_unique_in_a_request")
def names_may_be_used_twice():
    return patch.object(steps.Steps, "use", lambda *_: None)


@mutant("test_step_whose_result_is_not_json_is_an_error_and_not_recorded")
def results_are_made_text():
    ended = steps.Steps.end
    return patch.object(steps.Steps, "end", lambda self, name, result: ended(self, name, str(result)))


@mutant("test_step_with_a_policy_that_is_none_is_an_error_and_nothing_is_called")
def any_policy_will_do():
    return patch.object(stepping, "POLICIES", ("rerun", "hold", "later"))


@mutant("test_writes_of_a_step_last_with_its_result_or_not_at_all", LATE_STEP)
def steps_are_in_autocommit():
    return patch.object(Leases, "in_step", lambda self: step_block.StepBlock())


@mutant("test_step_that_took_effect_and_returned_no_json_is_of_unknown_outcome")
def step_that_returned_no_json_did_not_happen():
    fail = stepping._fail
    return patch.object(
        stepping, "_fail", lambda attempt, call, error, *, returned: fail(attempt, call, error, returned=False)
    )


@mutant("test_step_passes_on_any_keyword")
def keywords_are_lost():
    return patch.object(stepping.StepCall, "run", lambda self: self.function(self.key, *self.args))


@mutant("test_results_of_steps_are_copies")
def results_are_shared():
    return patch.object(steps.Steps, "result", lambda self, name: self._known[name]["result"])


@mutant(RESULT_LOST)
def result_that_may_be_there_is_written_over():
    return patch.object(Attempt, "lapse", lambda self: None)


@mutant(UNANNOUNCED, SAME_KEY, "test_step_on_the_event_loop_is_an_error_and_nothing_of_it_is_known")
def step_that_was_not_called_is_unknown():
    return patch.object(steps.Steps, "forget", lambda *_: None)


@mutant("test_step_of_a_coroutine_function_needs_astep")
def coroutines_are_results():
    def run(self):
        self.function(self.key, *self.args, **self.kwargs).close()

    return patch.object(stepping, "iscoroutinefunction", lambda _: False), patch.object(stepping.StepCall, "run", run)


@mutant("test_step_of_a_coroutine_function_needs_astep")
def coroutine_is_a_result_that_is_no_json():
    return patch.object(stepping, "iscoroutine", lambda _: False)


@mutant("test_resolver_may_be_a_coroutine_function")
def coroutines_do_not_resolve():
    return patch.object(stepping, "async_to_sync", lambda resolver: lambda *args: None)


@mutant("test_steps_of_several_threads_come_one_after_another")
def steps_overtake_each_other():
    return patch.object(lease, "RLock", contextlib.nullcontext)


@mutant("test_step_that_has_read_keeps_its_result_whatever_others_write")
def result_is_written_in_a_transaction_that_has_read():
    return patch.object(step_block.DatabaseStepBlock, "returned", lambda self: None)
