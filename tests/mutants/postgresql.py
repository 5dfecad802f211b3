"""Faults of the plan on PostgreSQL."""

import contextlib
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
    return patch.object(postgresql.PostgreSQLPlan, "_wait", blind_wait)


def blind_wait(self, cursor, claim):
    """Wait, and then look under a digest that nobody has."""
    wait(self, cursor, claim)
    cursor.execute("SELECT set_config('search_path', 'pg_temp', true)")
    cursor.execute(f"CREATE TEMP TABLE {postgresql.TABLE} (LIKE public.{postgresql.TABLE}) ON COMMIT DROP")


wait = postgresql.PostgreSQLPlan._wait


@mutant
def postgresql_leaves_autocommit_on():
    @contextlib.contextmanager
    def own_begin(connection):
        connection.connection.autocommit = True
        yield

    return patch.object(postgresql, "_own_begin", own_begin)


@mutant
def postgresql_has_one_lock_for_all():
    return patch.object(postgresql, "_lock", lambda claim: 1)


@mutant
def postgresql_takes_a_lost_commit_for_a_failure():
    return patch.object(database, "LOST", ())


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
