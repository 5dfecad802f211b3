"""Faults of locks in transactions, each with the behaviours that must fail under it."""

from unittest.mock import patch

from django.db import transaction

from django_dist.locks import block, database, transactions
from django_dist.locks.held import held
from django_dist.locks.memory import MemoryLocks
from django_dist.testing import lock_transactions

from . import catalogue
from .locks import around

MUTANTS, mutant_caught_by = catalogue()
#: Faults that show where two transactions write at once, and those of a lock that is part of a transaction.
ON_POSTGRESQL, ON_SQLITE = {"lock_is_released_at_once"}, {"transaction_waits_for_what_it_hinders"}


def mutant(*behaviours):
    """Enter a fault, with the behaviours that it fails."""
    return mutant_caught_by(*(f"test_{behaviour}" for behaviour in behaviours))


def deferred_by(call):
    """Let ``call(real, lease)`` decide on a release."""
    real = transactions.defer
    changed = lambda lease, ended=None: call(real, lease)  # noqa: E731
    return patch.object(block, "defer", changed)


@mutant(
    "lock_is_held_until_the_commit",
    "lock_is_held_until_the_rollback",
    "error_in_the_block_rolls_back_before_the_lock_is_free",
    "lock_is_held_until_the_end_of_the_outermost_block",
    "rollback_to_a_savepoint_does_not_free_the_lock",
    "lock_that_is_left_in_a_transaction_is_held_until_its_end",
    "lock_may_be_entered_again_before_the_commit",
    "transaction_whose_lock_was_lost_is_not_committed",
    "transaction_without_atomic_holds_the_lock_until_it_ends",
    "increments_in_transactions_add_up",
    "lock_of_a_coroutine_is_held_until_its_transaction_has_ended",
)
def lock_is_released_at_once():
    return deferred_by(lambda real, lease: False)


@mutant(
    "lock_is_held_until_the_rollback",
    "rollback_to_a_savepoint_does_not_free_the_lock",
    "closed_connection_frees_the_lock",
    "error_of_the_database_leaks_nothing",
)
def lock_is_released_by_a_hook_of_the_commit():
    def defer(real, lease):
        if transaction.get_connection().in_atomic_block:
            transaction.on_commit(lease.close)
            return True
        return False

    return deferred_by(defer)


@mutant("lock_is_held_until_the_end_of_the_outermost_block")
def innermost_transaction_is_none():
    real = transactions.is_open
    return patch.object(transactions, "is_open", lambda found: real(found) and len(found.atomic_blocks) < 2)


@mutant("transaction_without_atomic_holds_the_lock_until_it_ends")
def transaction_is_atomic_or_none():
    return patch.object(transactions, "is_open", lambda found: found.in_atomic_block)


@mutant("lock_around_a_transaction_is_free_at_its_end", "transaction_without_atomic_holds_the_lock_until_it_ends")
def every_connection_is_in_a_transaction():
    return patch.object(transactions, "is_open", lambda found: True)


@mutant("release_now_does_not_wait")
def release_is_never_now():
    real = block.lock
    return patch.object(
        lock_transactions.LockHarness,
        "lock",
        lambda self, name="a", *, release="", **options: real(name, using=self.locks, wait=15, ttl=60, **options),
    )


@mutant("lock_may_be_entered_again_before_the_commit")
def what_waits_for_its_release_is_forgotten():
    return deferred_by(lambda real, lease: real(lease) and (held.forget(lease), True)[1])


@mutant("closed_connection_frees_the_lock")
def closing_ends_nothing():
    return patch.object(transactions, "ENDS", ("commit", "rollback")), around(
        transactions._Pending, "close", lambda real, self: self._connection.close()
    )


@mutant("error_of_the_database_leaks_nothing")
def error_keeps_the_lock():
    def leave(real, self, kind, error, trace):
        return None if error else real(self, kind, error, trace)

    return around(block.Lock, "__exit__", leave)


@mutant("transaction_whose_lock_was_lost_is_not_committed")
def loss_does_not_hinder_the_commit():
    def commit(real, self):
        self._real["commit"]()
        self._end()

    return around(transactions._Pending, "commit", commit)


@mutant("hooks_of_the_commit_come_after_the_release")
def release_is_the_last_hook():
    def commit(real, self):
        transaction.on_commit(self._end)
        self._real["commit"]()

    return around(transactions._Pending, "commit", commit)


@mutant("wait_in_a_transaction_is_as_long_as_was_asked", "increments_in_transactions_add_up")
def nobody_waits():
    return around(
        MemoryLocks, "acquire", lambda real, self, name, owner, ttl, wait: real(self, name, f"one {id(self)}", ttl, 0)
    )


@mutant("transaction_does_not_wait_where_the_holder_could_not_release")
def transaction_waits_for_what_it_hinders():
    return patch.object(database, "is_open", lambda found: False), patch.object(lock_transactions, "PATIENCE_S", 1)


@mutant("lock_of_a_coroutine_is_held_until_its_transaction_has_ended")
def transaction_of_a_coroutine_is_not_seen():
    def direct(call):
        async def called(*args):
            return call(*args)

        return called

    return patch.object(block, "sync_to_async", direct)
