"""Broken claims and handlers, one seeded fault each, with the behaviours that must fail under it."""

import json
import random
import threading
from functools import partial
from importlib import import_module
from unittest.mock import patch

from asgiref.sync import sync_to_async
from django.db import OperationalError, connections, transaction

from django_dist import models
from django_dist.dedupe import blocks, claims, coroutine
from django_dist.dedupe.sql import postgresql, sqlite
from django_dist.idempotency.digests import digest_of
from mutants import broken_by

once = import_module("django_dist.dedupe.once")  # by name: the package's attribute is the function
#: By name: what seeds the fault, where it is seeded, and the behaviours that it must fail.
SEEDED = {}


def mutant(*behaviours, on="default", asynchronous=False):
    """Enter a fault under its function's name."""

    def enter(make):
        SEEDED[make.__name__] = (make, on, asynchronous, sorted(f"test_{name}" for name in behaviours))
        return make

    return enter


def broken(name):
    """Seed the fault ``name`` for the block."""
    return broken_by(SEEDED[name][0])


def taking(take):
    """Let ``take(real, cursor, digests, scope, ttl)`` claim in the place of ``real``, the database's own."""
    taker_for = claims.taker_for
    return patch.object(claims, "taker_for", lambda connection: partial(take, taker_for(connection)))


# -- claims --


@mutant(
    "first_claim_wins_and_repeats_lose", "handler_takes_effect_once_for_each_key", "claim_many_returns_what_it_has_won"
)
def nobody_wins():
    return taking(lambda real, *asked: set())


@mutant(
    "first_claim_wins_and_repeats_lose",
    "repeat_in_the_same_transaction_loses",
    "claim_goes_where_the_router_says",
    "handler_takes_effect_once_for_each_key",
    "key_counts_for_its_ttl_by_the_clock_of_the_database",
)
def everybody_wins():
    return taking(lambda real, cursor, digests, scope, ttl: (real(cursor, digests, scope, ttl), set(digests))[1])


@mutant(
    "rollback_frees_the_key",
    "rollback_of_an_inner_block_frees_the_key",
    "rolled_back_renewal_leaves_the_key_expired",
    "exception_rolls_back_claim_and_effects",
    "outer_rollback_frees_the_key",
    on="postgres",
)
def claim_is_committed_by_itself():
    def take(real, cursor, *asked):
        found, alias = [], cursor.db.alias

        def work():
            with connections[alias].cursor() as own:
                found.append(real(own, *asked))
            connections.close_all()

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return found[0]

    return taking(take)


@mutant("scopes_do_not_share_keys")
def scope_is_ignored():
    return patch.object(claims, "digest_for", lambda scope, key: digest_of([str(key)]))


@mutant("scopes_do_not_share_keys")
def scope_and_key_are_told_apart_by_nothing():
    return patch.object(claims, "digest_for", lambda scope, key: digest_of([f"{scope}{key}"]))


@mutant("key_is_its_text_whatever_its_type")
def type_belongs_to_the_key():
    return patch.object(claims, "digest_for", lambda scope, key: digest_of([scope, repr(key)]))


@mutant("key_of_many_messages_is_refused", "key_of_many_messages_is_refused_before_the_handler")
def anything_is_a_key():
    return patch.object(claims, "digest_for", lambda scope, key: digest_of([scope, str(key)]))


@mutant("scope_and_ttl_out_of_bounds_are_refused")
def bounds_are_not_checked():
    return patch.object(claims, "check_bounds", lambda scope, ttl: None)


@mutant("claim_outside_of_a_transaction_is_an_error")
def claim_needs_no_transaction():
    return patch.object(claims, "is_of_caller", lambda connection: True)


@mutant("claim_goes_where_the_router_says", on="postgres")
def router_is_not_asked():
    return patch.object(claims.router, "db_for_write", lambda model, **hints: "default")


@mutant("claim_is_one_statement")
def many_are_claimed_one_by_one():
    def take(real, cursor, digests, scope, ttl):
        return set().union(*(real(cursor, [digest], scope, ttl) for digest in digests))

    return taking(take)


@mutant("entry_holds_no_key")
def scope_tells_the_key():
    return taking(lambda real, cursor, digests, scope, ttl: real(cursor, digests, "a card number", ttl))


# -- expiry --


@mutant("key_counts_for_its_ttl_by_the_clock_of_the_database", "handler_runs_again_when_its_key_has_expired")
def ttl_is_ignored():
    return taking(lambda real, cursor, digests, scope, ttl: real(cursor, digests, scope, None))


@mutant("key_without_ttl_counts_for_ever")
def for_ever_is_a_day():
    return taking(lambda real, cursor, digests, scope, ttl: real(cursor, digests, scope, ttl or 86400))


@mutant("key_without_ttl_counts_for_ever")
def for_ever_can_be_renewed():
    weak = sqlite.CLAIM.replace(f"expires_at <= {sqlite.NOW}\n", f"COALESCE(expires_at <= {sqlite.NOW}, 1)\n")
    return patch.object(sqlite, "CLAIM", weak.replace("django_dist_dedupe.COALESCE(", "COALESCE(django_dist_dedupe."))


@mutant(
    "expired_key_can_be_claimed_again_and_once",
    "renewed_key_forgets_what_was_kept",
    "crowd_at_an_expired_key_has_one_winner",
    "rolled_back_renewal_leaves_the_key_expired",
    "handler_runs_again_when_its_key_has_expired",
)
def expiry_is_ignored():
    return patch.object(sqlite, "CLAIM", sqlite.CLAIM.replace("\nRETURNING", " AND 0\nRETURNING"))


@mutant("renewed_key_forgets_what_was_kept")
def renewal_keeps_the_result():
    return patch.object(sqlite, "CLAIM", sqlite.CLAIM.replace(", result = NULL", ""))


@mutant("purge_removes_what_has_expired_and_nothing_else", "crowd_beside_a_purge_has_one_winner")
def purge_removes_what_has_not_expired():
    return patch.object(models.ExpiringQuerySet, "expired", lambda self: self.all())


# -- crowds --

LOOK = "SELECT digest FROM django_dist_dedupe WHERE digest = ANY(%s)"


@mutant("crowd_has_one_winner", "second_waits_and_loses_when_the_first_commits", on="postgres")
def look_before_the_leap():
    """Take who saw nobody before the INSERT for the winner."""

    def take(real, cursor, digests, scope, ttl):
        cursor.execute(LOOK, [digests])
        seen = {digest for (digest,) in cursor.fetchall()}
        real(cursor, digests, scope, ttl)
        return set(digests) - seen

    return taking(take)


@mutant("crowd_at_an_expired_key_has_one_winner", "crowd_has_one_winner", on="postgres")
def waiters_renew_what_they_waited_for():
    weak = postgresql.CLAIM.replace("\nWHERE entry.expires_at <= clock_timestamp()", "")
    return patch.object(postgresql, "CLAIM", weak)


@mutant(
    "second_waits_and_loses_when_the_first_commits",
    "second_waits_and_wins_when_the_first_rolls_back",
    on="postgres",
)
def nobody_waits():
    def take(real, cursor, *asked):
        try:
            with transaction.atomic(using=cursor.db.alias):
                cursor.execute("SET LOCAL lock_timeout = '1ms'")
                return real(cursor, *asked)
        except OperationalError:
            return set()

    return taking(take)


@mutant("other_keys_do_not_wait", on="postgres")
def one_lock_for_all():
    def take(real, cursor, *asked):
        cursor.execute("LOCK TABLE django_dist_dedupe IN EXCLUSIVE MODE")
        return real(cursor, *asked)

    return taking(take)


@mutant("claims_of_many_in_opposite_orders_end_without_a_deadlock", on="postgres")
def order_is_anyones():
    def take(real, cursor, digests, scope, ttl):
        mixed = random.sample(digests, len(digests))
        return set().union(*(real(cursor, [digest], scope, ttl) for digest in mixed))

    return taking(take)


# -- handlers --


@mutant("handler_takes_effect_once_for_each_key", "repeat_gets_what_the_first_returned")
def handler_always_runs():
    return patch.object(once.Once, "earlier", lambda self, key: None)


@mutant("repeat_gets_what_the_first_returned", "repeat_waits_for_the_first_and_gets_its_result")
def result_is_not_kept():
    return patch.object(once.Once, "finish", lambda self, key, result: result)


@mutant("result_that_is_no_json_is_an_error_and_rolls_back")
def anything_is_json():
    return patch.object(once, "json", Lax)


class Lax:
    """JSON that takes everything."""

    loads = staticmethod(json.loads)

    @staticmethod
    def dumps(value, allow_nan=True):
        return json.dumps(value, default=str)


@mutant("swallowed_error_of_the_database_is_an_error_and_rolls_back", "closed_connection_is_an_error")
def undone_transaction_is_a_success():
    return patch.object(once.Once, "finish", lambda self, key, result: result)


@mutant("handler_that_leaves_its_work_for_later_is_an_error_and_rolls_back")
def work_to_come_is_a_result():
    return (
        patch.object(once.inspect, "isawaitable", lambda result: False),
        patch.object(once.inspect, "isgenerator", lambda result: False),
    )


@mutant("handler_may_be_an_object_or_a_part_of_a_function")
def handlers_are_functions():
    return patch.object(once, "name_of", lambda handler: f"{handler.__module__}.{handler.__qualname__}")


@mutant("handler_may_be_an_object_or_a_part_of_a_function", asynchronous=True)
def objects_are_never_coroutine_functions():
    return patch.object(once, "_function_of", lambda handler: handler)


@mutant("key_is_its_text_whatever_its_type")
def named_number_is_its_name():
    digest_for = claims.digest_for
    return patch.object(
        claims, "digest_for", lambda scope, key: digest_for(scope, str(key) if isinstance(key, int) else key)
    )


@mutant("wrong_use_is_an_error_at_once")
def anything_is_a_handler():
    return patch.object(once.inspect, "isgeneratorfunction", lambda handler: False)


# -- coroutines --


@mutant("handlers_side_by_side_have_transactions_of_their_own", asynchronous=True)
def coroutines_share_a_thread():
    return patch.object(coroutine, "ThreadSensitiveContext", NoContext)


class NoContext:
    """A context that sets no thread apart."""

    async def __aenter__(self):
        return self

    async def __aexit__(self, *error):
        return None


@mutant(
    "cancelled_handler_is_rolled_back_and_its_key_free",
    "exception_rolls_back_claim_and_effects",
    "result_that_is_no_json_is_an_error_and_rolls_back",
    asynchronous=True,
)
def whatever_happens_is_committed():
    end = coroutine.Transaction._end
    return patch.object(coroutine.Transaction, "_end", lambda self, *, keep: end(self, keep=True))


@mutant("handlers_side_by_side_on_one_connection_are_refused", asynchronous=True)
def others_are_not_told_apart():
    return patch.object(claims, "is_of_another_task", lambda connection: False)


@mutant("handler_in_a_handler_is_part_of_it", asynchronous=True)
def what_stands_around_is_forgotten():
    def of_another(connection):
        open_now = [block for block in connection.atomic_blocks if isinstance(block, blocks.CoroutineBlock)]
        return len(open_now) > 1

    return patch.object(claims, "is_of_another_task", of_another)


@mutant("claims_of_a_coroutine_are_in_the_transaction_of_its_handler", asynchronous=True)
def claims_run_on_any_thread():
    return patch.object(claims, "sync_to_async", partial(sync_to_async, thread_sensitive=False))


@mutant("claim_of_a_coroutine_outside_of_a_transaction_is_an_error", asynchronous=True)
def claim_of_a_coroutine_needs_no_transaction():
    return patch.object(claims, "is_of_caller", lambda connection: True)


@mutant("thread_of_a_coroutine_leaves_no_connection", asynchronous=True)
def connections_are_left_open():
    return patch.object(coroutine.Transaction, "leave", lambda self: self._end(keep=False))
