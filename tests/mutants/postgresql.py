"""Faults of the plan on PostgreSQL."""

import contextlib
import threading
from unittest.mock import patch

from django_dist import models
from django_dist.idempotency import (
    database,
    guard,
    problems,
)
from django_dist.idempotency.sql import postgresql
from mutants import mutant
from mutants.stores import error_at_the_commit_is_a_success


@mutant
def postgresql_takes_no_lock():
    return patch.multiple(postgresql, TRY_LOCK="SELECT true OR %s > 0", LOCK="SELECT true OR %s > 0")


@mutant
def postgresql_never_waits():
    return patch.object(postgresql.PostgreSQLPlan, "_wait", lambda *a: None)


@mutant
def postgresql_keeps_its_time_out():
    return patch.object(postgresql, "RESTORE", "SELECT 1, current_setting('transaction_isolation')")


@mutant
def postgresql_does_not_look_up_anew():
    waited, wait, lives = threading.local(), postgresql.PostgreSQLPlan._wait, postgresql._lives

    def noted(self, cursor, claim):
        wait(self, cursor, claim)
        waited.here = True

    def blind(row):
        """Take what the look-up after a wait has found for nothing."""
        return lives(row) and not vars(waited).pop("here", False)

    return patch.object(postgresql.PostgreSQLPlan, "_wait", noted), patch.object(postgresql, "_lives", blind)


@mutant
def postgresql_leaves_autocommit_on():
    @contextlib.contextmanager
    def own_begin(connection):
        connection.connection.autocommit = True
        yield

    return patch.object(postgresql, "own_begin", own_begin)


@mutant
def postgresql_has_one_lock_for_all():
    return patch.object(postgresql, "_lock", lambda claim: 1)


@mutant
def postgresql_takes_a_lost_commit_for_a_failure():
    return patch.object(database, "LOST", ()), postgresql_takes_a_loss_for_an_error_of_the_view()


@mutant
def postgresql_takes_a_loss_for_an_error_of_the_view():
    return patch.object(postgresql.PostgreSQLPlan, "is_lost", lambda *a: False)


@mutant
def postgresql_async_loss_is_not_told():
    return patch.object(guard.Guard, "lost", lambda *a: None)


@mutant
def postgresql_takes_every_error_for_a_loss():
    return patch.object(postgresql.PostgreSQLPlan, "is_lost", lambda *a: True)


@mutant
def postgresql_takes_a_lost_line_for_success():
    return patch.object(guard.Guard, "leave", lambda self, response: problems.HttpResponse("fine"))


@mutant
def postgresql_takes_an_aborted_transaction_for_success():
    return error_at_the_commit_is_a_success()


@mutant
def postgresql_asks_twice():
    look_up = postgresql.PostgreSQLPlan.claim

    def wordy(self, cursor, *args, **keywords):
        found = look_up(self, cursor, *args, **keywords)
        for _ in range(3):
            models.RequestRecord.objects.using(cursor.db.alias).exists()
        return found

    return patch.object(postgresql.PostgreSQLPlan, "claim", wordy)
