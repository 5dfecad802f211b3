"""Faults of the transaction: what lasts, what is undone, who waits, what expires."""

from unittest.mock import patch

from django.db import IntegrityError, transaction

from django_dist import exceptions, models
from django_dist.idempotency import (
    database,
    guard,
)
from django_dist.idempotency.sql import mysql, postgresql, sqlite
from mutants import mutant


@mutant
def view_runs_again_on_a_repeat():
    def run(self, found):
        return None

    return patch.object(guard.Guard, "_again", run)


@mutant
def rollback_is_not_done():
    def keep(self):
        self._connection.needs_rollback = False
        self.leave()

    return patch.object(database.DatabaseAttempt, "abandon", keep)


@mutant
def claim_stays_open_after_a_failure():
    return patch.object(database.DatabaseAttempt, "abandon", lambda self: None)


@mutant
def undone_success_is_recorded():
    def wants(self, response):
        return self.policy.keeps(response)

    return patch.object(guard.Guard, "wants", wants)


@mutant
def undone_refusal_is_not_recorded():
    wanted = guard.Guard.wants

    def wants(self, response):
        return wanted(self, response) and not self.failed and not self.attempt.doomed

    return patch.object(guard.Guard, "wants", wants)


@mutant
def parse_errors_are_recorded():
    return patch.object(guard, "UNREADABLE", ())


@mutant
def durable_is_not_explained():
    return patch.object(guard.Guard, "_unsupported", lambda self, deed: RuntimeError(deed))


@mutant
def closed_connection_is_not_noticed():
    return patch.object(database.DatabaseAttempt, "broken", False)


@mutant
def record_is_not_in_the_transaction():
    finish = database.DatabaseAttempt.finish

    def late(self, answer):
        self.leave()
        self._block = None
        self._begin()
        return finish(self, answer)

    return patch.object(database.DatabaseAttempt, "finish", late)


@mutant
def record_comes_before_the_view():
    """Claim and commit, as a dedupe table does: a crash, an error or a rollback leaves a stuck key."""
    claim = database.DatabaseAttempt.claim

    def early(self, asked):
        found = claim(self, asked)
        if found is None:
            self._plan.record(self._cursor, asked, guard.Answer(500, "", [], b""), joined=False)
        return found

    return patch.object(database.DatabaseAttempt, "claim", early)


@mutant
def any_unique_key_is_a_duplicate():
    return patch.object(sqlite.SQLitePlan, "is_duplicate", lambda self, error: isinstance(error, IntegrityError)), (
        patch.object(database.DatabaseAttempt, "_look_up", lambda self: guard.Record(None, None, OK))
    )


OK = guard.Answer(200, "OK", [], b"")


@mutant
def error_at_the_commit_is_a_success():
    finish = database.DatabaseAttempt.finish

    def silent(self, answer):
        try:
            return finish(self, answer)
        except database.DatabaseError:
            return None

    return patch.object(database.DatabaseAttempt, "finish", silent)


@mutant
def error_of_a_hook_is_a_loss_of_the_store():
    def deaf(self):
        self._committed = False

    return patch.multiple(database, LOST=(Exception,), DatabaseError=Exception), patch.object(
        database.DatabaseAttempt, "_note_commit", deaf
    )


@mutant
def busy_is_down():
    plans = (sqlite.SQLitePlan, postgresql.PostgreSQLPlan, mysql.MySQLPlan)
    return tuple(patch.object(plan, "is_busy", lambda self, error: False) for plan in plans)


@mutant
def expiry_is_ignored():
    return patch.object(sqlite, "LOOK_UP", sqlite.LOOK_UP.replace(f"expires_at > {sqlite.NOW}", "1"))


@mutant
def records_expire_at_once():
    return patch.object(sqlite, "LOOK_UP", sqlite.LOOK_UP.replace(f"expires_at > {sqlite.NOW}", "0"))


@mutant
def expired_record_is_not_cleared():
    return patch.object(sqlite, "DELETE", sqlite.DELETE + " AND 0")


@mutant
def claim_takes_no_lock():
    """Look up without the write lock: a race ends in a unique key, after the view has run twice."""
    return patch.object(sqlite, "LOOK_UP", READ), patch.object(database.DatabaseAttempt, "_begin", deferred)


READ = f"SELECT expires_at > {sqlite.NOW}, {sqlite.FOUND} FROM {sqlite.TABLE} WHERE digest = %s"


def deferred(self):
    """Begin as SQLite does by itself, without a lock."""
    self._connection.transaction_mode = "DEFERRED"
    block = transaction.atomic(using=self._connection.alias)
    block.__enter__()
    self._block, self._cursor = block, self._connection.cursor()


@mutant
def purge_removes_what_has_not_expired():
    return patch.object(models.RequestQuerySet, "expired", lambda self: self.all())


@mutant
def purge_removes_nothing():
    return patch.object(models.RequestQuerySet, "delete_oldest", lambda self, batch: 0)


@mutant
def record_takes_a_statement_more():
    plan = sqlite.SQLitePlan.record

    def wordy(self, cursor, *args, **keywords):
        for _ in range(2):
            models.RequestRecord.objects.using(cursor.db.alias).exists()
        return plan(self, cursor, *args, **keywords)

    return patch.object(sqlite.SQLitePlan, "record", wordy)


@mutant
def atomic_requests_stands_around_the_record():
    return patch.object(database.DatabaseRequests, "encloses", lambda self, view: False)


@mutant
def nobody_takes_over():
    """Take whoever finds the digest free after a wait for one who has come too late."""
    return patch.object(database.DatabaseAttempt, "claim", side_effect=exceptions.BackendUnavailable("gone"))


@mutant
def inner_blocks_end_the_request():
    return patch.object(database.DatabaseAttempt, "finish", lambda self, answer: self._close(keep=False))
