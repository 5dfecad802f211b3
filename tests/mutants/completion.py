"""Faults of dist_complete, each with the behaviours of its suites that must fail under it."""

import contextlib
from unittest.mock import patch
from urllib.parse import urlsplit

from django.apps import apps
from django.db.models import F, Q, QuerySet

from django_dist import models
from django_dist.clock import StoreNow, StoreTime
from django_dist.idempotency import claims, completer, database_leases, held, kept, lease, own, resumed, sealed
from django_dist.idempotency.steps import Steps
from django_dist.management.commands import dist_complete
from django_dist.testing.leases import Gone

from . import catalogue

END = "test_request_that_was_left_is_run_to_its_end_and_its_client_gets_the_answer"
COUNTED = "test_failures_are_counted_and_the_last_is_held_with_its_reason"
AT_WORK = "test_request_at_work_is_left_alone"
GONE = "test_view_that_is_gone_is_held_and_can_be_released"
UNGUARDED = "test_guard_that_is_gone_calls_no_step_twice_and_is_held"
LATE = "test_lease_that_has_run_out_is_taken_over_and_the_late_one_is_refused"
SAME = "test_view_sees_the_request_as_it_was"
OPERATOR = "test_released_request_can_be_repeated_by_its_client_and_begins_its_time_anew"
TOLD = "test_request_whose_client_was_told_is_not_run_again"
ROTATED = "test_rotated_secret_key_completes_while_it_is_a_fallback_and_is_held_after"
RESULT = "test_step_that_took_effect_is_given_its_result"
HELD_STEP = "test_step_of_unknown_outcome_is_held_and_listed_with_its_reason"

MUTANTS, mutant = catalogue()


@contextlib.contextmanager
def broken(name):
    """Seed the fault ``name`` for the block."""
    with contextlib.ExitStack() as stack:
        made = MUTANTS[name][0]()
        for each in made if isinstance(made, tuple) else (made,):
            stack.enter_context(each)
        yield


def changed(function, change):
    """Return ``function`` with what it returns changed."""
    return lambda *args, **kwargs: change(function(*args, **kwargs))


# -- which, when and by whom --


@mutant(END, "test_request_that_was_answered_5xx_is_run_to_its_end", "test_refusal_is_an_end")
def nothing_is_kept():
    return patch.object(claims, "kept_of", lambda *args: None)


@mutant("test_only_views_that_say_so_are_completed")
def everything_is_kept():
    keep = kept.kept_of

    def always(request, user, label, policy, view):
        fields = {name: getattr(policy, name) for name in policy.__dataclass_fields__}
        return keep(request, user, label, type(policy)(**fields | {"completes": True, "keep_request": "plain"}), view)

    return patch.object(claims, "kept_of", always)


@mutant(TOLD)
def what_the_client_was_told_is_kept():
    return patch.object(lease.LeaseAttempt, "told", lambda self: None)


@mutant(TOLD)
def row_keeps_what_its_try_has_forgotten():
    def release(self, claim, owner, steps):
        self._update(claim.digest, owner, owner=None, leased_until=StoreTime(), steps=steps or "{}")

    return patch.object(database_leases.DatabaseLeases, "release", release)


@mutant(AT_WORK)
def owner_is_taken_for_gone():
    running = Q(state=models.RequestRecord.State.RUNNING)
    return patch.object(completer, "FREE", running), patch.object(completer.Patience, "_since", lambda *args: Q())


@mutant("test_oldest_is_first_and_every_one_is_run")
def newest_is_first():
    due = completer.Completer.due
    return patch.object(completer.Completer, "due", changed(due, lambda rows: rows.order_by("-leased_until")))


@mutant("test_oldest_is_first_and_every_one_is_run")
def one_batch_is_all():
    drive = dist_complete.Command._drive
    return patch.object(dist_complete.Command, "_drive", changed(drive, lambda some: False))


@mutant("test_one_that_was_tried_meanwhile_is_not_taken_as_it_was_seen", "test_several_at_once_share_the_work")
def request_is_taken_unseen():
    def take(self, owner, digest, attempts):
        mine = self._rows().filter(pk=digest, kept__isnull=False)
        mine.update(owner=owner, leased_until=StoreTime(30), attempts=F("attempts") + 1)
        return mine.annotate(now=StoreTime()).first()

    return patch.object(completer.Completer, "_take", take)


@mutant("test_purge_leaves_what_is_to_be_completed")
def purge_takes_what_is_kept():
    return patch.object(models.RequestQuerySet, "expired", lambda self: self.filter(expires_at__lte=StoreNow()))


@mutant(END)
def finished_record_holds_its_request():
    ended = {name: value for name, value in database_leases.ENDED.items() if name != "kept"}
    return patch.object(database_leases, "ENDED", ended)


@mutant("test_completer_that_has_lost_its_lease_is_refused_and_says_so")
def loss_is_a_failure():
    return patch.object(completer.Driven, "_or_lost", lambda self: contextlib.nullcontext())


@mutant("test_completer_that_has_lost_its_lease_is_refused_and_says_so", LATE)
def late_owner_is_heard():
    def update(self, digest, by, /, **values):
        return bool(self._rows().filter(pk=digest).update(**values))

    def finish(self, claim, owner, answer):
        return update(self, claim.digest, owner, **database_leases._answered(answer), **database_leases.ENDED)

    store = database_leases.DatabaseLeases
    return patch.object(store, "_update", update), patch.object(store, "finish", finish)


@mutant("test_client_that_asks_while_it_is_completed_is_told_so")
def lease_of_a_completer_is_none():
    return patch.object(completer, "TAKE_S", -60.0), patch.object(completer.Driven, "keep", lambda self: None)


@mutant("test_view_that_swallows_the_refusal_is_held_all_the_same")
def what_is_held_is_lost():
    finish = completer.DatabaseLease.finish

    def lost(self, answer):
        self.outcome = completer.Outcome.LOST
        return finish(self, answer)

    return patch.object(completer.Driven, "finish", lost)


@mutant("test_limit_begins_no_more")
def limit_is_ignored():
    return patch.object(dist_complete.Command, "_over", lambda self: self._stop.is_set())


@mutant("test_wrong_options_are_errors_that_name_them")
def options_are_not_read():
    return patch.object(dist_complete, "CommandError", RuntimeError)


# -- how often --


@mutant(COUNTED)
def reason_tells_the_message():
    def note(self, request, error):
        self._error = repr(error)

    return patch.object(resumed.Rerun, "_note", note)


@mutant(COUNTED)
def last_try_is_as_the_others():
    run = completer.Completer._run
    return patch.object(completer.Completer, "_run", lambda self, attempt, kept, attempts: run(self, attempt, kept, 0))


@mutant("test_request_that_kills_every_process_is_held_without_being_run")
def deaths_are_not_counted():
    def why_not(self, row):
        return "its time was over" if row.expires_at <= row.now else ""

    return patch.object(completer.Completer, "_why_not", why_not)


@mutant("test_time_that_is_over_is_for_an_operator")
def time_is_never_over():
    def why_not(self, row):
        return "tries have ended without an answer" if row.attempts > self._patience.attempts else ""

    return patch.object(completer.Completer, "_why_not", why_not)


@mutant("test_pause_after_a_try_grows")
def pause_is_always_the_same():
    since = completer.Patience._since
    return patch.object(completer.Patience, "_since", lambda self, tries: since(self, min(tries, 1)))


@mutant("test_pause_after_a_try_grows")
def pause_has_no_end():
    return patch.object(completer, "LONGEST_BACKOFF_S", 1e9)


@mutant("test_answers_that_pass_are_tried_again")
def every_refusal_is_a_denial():
    return patch.object(completer, "DENIED", frozenset(range(400, 600)))


# -- what is kept, and run again --


@mutant("test_credentials_are_never_in_the_database")
def every_header_is_kept():
    def headers(request, policy):
        return dict(request.headers)

    return patch.object(kept, "_headers", headers)


@mutant(SAME)
def named_headers_are_lost():
    read = completer.read
    return patch.object(completer, "read", changed(read, lambda found: found._replace(headers=_few(found.headers))))


def _few(headers):
    return {name: value for name, value in headers.items() if name in ("Content-Type", "Idempotency-Key")}


def _lost(**facts):
    read = completer.read
    return patch.object(completer, "read", changed(read, lambda found: found._replace(**facts)))


@mutant(SAME)
def query_is_lost():
    return _lost(query="")


@mutant(SAME)
def host_is_lost():
    return _lost(host="testserver")


@mutant(SAME)
def body_is_lost():
    return _lost(body=b"")


@mutant(SAME)
def method_is_always_post():
    return _lost(method="POST")


@mutant(SAME)
def path_is_sent_raw():
    return patch.object(resumed, "_wire", lambda path: path)


@mutant("test_encrypted_request_is_not_readable_and_is_completed")
def encryption_does_nothing():
    return patch.object(sealed, "seal", lambda plain: plain)


@mutant(ROTATED)
def secret_key_has_no_fallbacks():
    keys = sealed._keys

    def first(*args):
        return sealed.MultiFernet(keys()._fernets[:1])

    return patch.object(sealed, "_keys", first)


@mutant(ROTATED)
def key_is_the_same_everywhere():
    return patch.object(sealed, "_key", lambda secret, make=sealed._key: make("one"))


@mutant("test_long_body_is_not_kept_and_its_client_can_repeat_it")
def long_body_is_cut():
    class Long(int):
        def __lt__(self, other):
            return False

        __gt__ = __lt__

    return patch.object(kept, "len", lambda found: Long(), create=True)


@mutant("test_what_was_kept_and_is_damaged_is_held")
def damage_is_not_noticed():
    return patch.object(kept, "NotResumable", ValueError)


@mutant("test_request_that_cannot_be_made_again_stops_no_other")
def what_makes_no_request_stops_the_command():
    return patch.object(resumed, "_made_again", resumed.to_request)


@mutant("test_host_that_is_none_is_run_again_as_it_came")
def host_is_taken_for_an_address():
    def split(host):
        parts = urlsplit(f"//{host}")
        return parts.hostname, str(parts.port or "")

    return patch.object(resumed, "split_domain_port", split)


@mutant("test_request_kept_in_plain_is_not_run_where_all_are_sealed")
def plain_is_taken_from_anybody():
    return patch.object(completer.Completer, "_takes_plain", True)


@mutant("test_user_that_is_no_model_is_not_kept")
def user_that_is_no_model_is_nobody():
    return patch.object(claims, "kept_of", lambda request, user, *rest: kept.kept_of(request, None, *rest))


@mutant("test_steps_that_have_ended_are_not_called_again", "test_mode_that_has_changed_does_not_matter")
def steps_begin_anew():
    begin = lease.LeaseAttempt.begin
    return patch.object(completer.Driven, "begin", lambda self, claim, steps: begin(self, claim, None), create=True)


# -- a site that has changed --


@mutant(GONE, UNGUARDED)
def guard_is_not_missed():
    run = resumed.Rerun.run
    return patch.object(resumed.Rerun, "run", changed(run, lambda ran: ran._replace(reached=True)))


@mutant(UNGUARDED)
def steps_need_a_guard():
    def resume(self, attempt):
        self.resumed, self.digest = attempt, attempt.digest

    return patch.object(own.Idempotency, "resume", resume)


@mutant("test_errors_that_are_propagated_stop_nothing")
def errors_stop_the_command():
    def get_response(self, request, original=resumed.BaseHandler.get_response):
        try:
            return original(self, request)
        except Exception as error:
            raise Gone from error

    return patch.object(resumed.Rerun, "get_response", get_response, create=True)


# -- what an operator decides --


@mutant(HELD_STEP, RESULT)
def unknown_step_is_called_again():
    return patch.object(Steps, "is_unknown", lambda self, name: False)


@mutant(HELD_STEP)
def list_says_not_why():
    return patch.object(dist_complete.held, "held", lambda database, of=held.held: of(database).none())


@mutant(RESULT)
def result_is_not_written():
    return patch.object(held, "resolve", lambda database, digest, step, result: held.rerun(database, digest))


@mutant("test_step_that_did_not_is_called_again_under_the_same_key", OPERATOR)
def rerun_is_release():
    return patch.object(held, "rerun", held.release)


@mutant("test_released_request_asks_its_resolver_again")
def release_is_rerun():
    return patch.object(held, "release", held.rerun)


@mutant(OPERATOR)
def time_is_not_begun_anew():
    return patch.object(held, "Greatest", lambda mine, other: mine)


@mutant("test_forgotten_request_runs_from_its_beginning")
def forgetting_is_releasing():
    return patch.object(held, "forget", held.release)


@mutant("test_decision_about_what_is_not_held_is_an_error")
def anything_can_be_decided():
    rows = models.RequestRecord._base_manager.annotate(since=held.SINCE)
    return patch.object(held, "_row", lambda database, digest: rows.using(database).filter(pk=digest).first())


@mutant("test_decision_about_what_was_held_again_meanwhile_is_not_heard")
def decision_is_about_whatever_is_held():
    filtered = QuerySet.filter

    def lax(self, *args, since=None, **wanted):
        return filtered(self, *args, **wanted)

    return patch.object(QuerySet, "filter", lax)


@mutant("test_decision_finds_what_is_held_since_a_whole_second")
def times_are_compared_as_django_writes_them():
    return patch.object(held, "SINCE", F("leased_until"))


@mutant("test_two_deeds_at_once_are_an_error_and_neither_is_done")
def first_deed_is_done():
    return patch(
        "argparse._MutuallyExclusiveGroup.add_argument",
        lambda self, *args, **kw: self._container.add_argument(*args, **kw),
    )


@mutant("test_result_of_a_step_that_is_known_or_no_json_is_an_error")
def any_step_can_be_resolved():
    unknown = Steps.is_unknown
    return patch.object(Steps, "is_unknown", lambda self, name: name == "other" or unknown(self, name))


# -- as whom: behaviours of idempotency/test_complete_users.py --


@mutant("test_user_that_is_inactive_is_held", "test_user_that_is_gone_is_held")
def user_is_as_it_was():
    def user_of(found):
        label, key = found.user
        model = apps.get_model(label)
        return model.objects.filter(pk=key).first() or model(pk=key, username="ghost", is_superuser=True)

    return patch.object(resumed, "_user_of", user_of)


@mutant("test_model_of_the_user_that_is_gone_is_held")
def model_that_is_gone_is_nobody():
    return patch.object(completer, "NotResumable", ZeroDivisionError)


@mutant("test_request_runs_as_its_user_through_the_checks_around_the_view")
def everybody_is_nobody():
    return patch.object(resumed, "_user_of", lambda found: None)


@mutant("test_request_of_nobody_runs_as_nobody")
def nobody_is_no_user():
    return patch.object(resumed, "_sign_in", lambda request, user: setattr(request, "user", user))


@mutant("test_rest_framework_asks_for_the_rights_of_now", "test_ninja_knows_the_user_of_a_session")
def frameworks_are_told_nothing():
    sign_in = resumed._sign_in

    def signed_in(request, user):
        sign_in(request, user)
        for name in ("_force_auth_user", "_dont_enforce_csrf_checks"):
            vars(request).pop(name, None)

    return patch.object(resumed, "_sign_in", signed_in)


@mutant("test_user_that_has_lost_the_right_is_held", "test_ninja_that_asks_for_a_token_is_held")
def denial_is_a_failure():
    return patch.object(completer, "DENIED", frozenset())


@mutant("test_other_middleware_does_not_run", "test_view_that_needs_a_session_is_told_so")
def all_middleware_runs():
    return patch.object(resumed.Rerun, "load_middleware", resumed.BaseHandler.load_middleware)
