"""Faults of locks, each with the behaviours of the suite that must fail under it."""

import contextlib
import os
from collections import deque
from dataclasses import replace
from types import SimpleNamespace
from unittest.mock import patch

from django_dist import signals
from django_dist.exceptions import BackendUnavailable, LockTimeout
from django_dist.locks import base, block, decorator, held, lease, line, many, owner, ticker, waiting
from django_dist.locks.base import Tried
from django_dist.locks.lease import Lease
from django_dist.locks.line import Line
from django_dist.locks.memory import MemoryLocks
from django_dist.locks.moment import moment
from django_dist.testing import lock_harness, lock_owners

from . import catalogue

MUTANTS, mutant_caught_by = catalogue()
LONG_S = 60.0


def mutant(*behaviours):
    """Enter a fault, with the behaviours that it fails."""
    return mutant_caught_by(*(f"test_{behaviour}" for behaviour in behaviours))


def around(kind, name, call):
    """Let ``call(real, self, *args)`` run in the place of a method."""
    real = getattr(kind, name)
    return patch.object(kind, name, lambda self, *args, **keywords: call(real, self, *args, **keywords))


def store(name, call):
    """Seed a fault into a method of the store."""
    return around(MemoryLocks, name, call)


# -- the store --


@mutant("fence_grows_with_every_grant", "block_may_be_entered_by_many_threads", "one_of_a_crowd_is_inside_at_a_time")
def fence_is_always_one():
    def acquire(real, self, *args):
        tried = real(self, *args)
        return tried._replace(fence=tried.fence and 1)

    return (
        store("try_acquire", acquire),
        store("release", lambda real, self, name, owner, fence: real(self, name, owner, None)),
    )


@mutant(
    "held_lock_is_refused_and_its_rest_is_told",
    "busy_lock_is_a_timeout",
    "other_thread_is_another_owner",
    "one_of_a_crowd_is_inside_at_a_time",
    "one_of_many_tasks_is_inside_at_a_time",
    "task_does_not_own_what_its_parent_holds",
    "function_is_skipped_or_refused_where_the_lock_is_busy",
    "wait_of_zero_is_one_try",
    "wait_is_as_long_as_was_asked",
    "block_holds_the_lock",
)
def everybody_is_granted():
    def acquire(real, self, *args):
        tried = real(self, *args)
        return tried if tried.fence else Tried(self._locks[args[0]].fence)

    return store("try_acquire", acquire)


@mutant("held_lock_is_refused_and_its_rest_is_told")
def rest_is_not_told():
    return store("try_acquire", lambda real, self, *args: real(self, *args)._replace(left=0.0))


@mutant("repeat_of_an_owner_is_granted_with_the_same_fence")
def repeat_is_a_grant_of_its_own():
    def acquire(real, self, name, owner, ttl):
        self.release(name, owner, None)
        return real(self, name, owner, ttl)

    return store("try_acquire", acquire)


@mutant("repeat_of_an_owner_is_granted_with_the_same_fence", "lost_answer_to_acquire_costs_nothing")
def repeat_is_refused():
    def acquire(real, self, name, owner, ttl):
        held = self._locks.get(name)
        return Tried(None, 1.0) if held and held.owner == owner else real(self, name, owner, ttl)

    return store("try_acquire", acquire)


@mutant(
    "lease_ends_when_its_time_is_over_and_not_before",
    "late_release_frees_nobody_elses_lock",
    "extension_of_what_was_lost_is_refused",
    "lease_that_has_ended_is_not_listed",
    "what_nobody_holds_cannot_be_broken",
    "waiter_follows_a_holder_that_has_died",
    "lock_that_a_thread_has_left_behind_is_renewed_no_more",
)
def lease_never_ends():
    return store("try_acquire", lambda real, self, name, owner, ttl: real(self, name, owner, ttl * 1000))


@mutant("lease_ends_when_its_time_is_over_and_not_before", "waiter_follows_a_holder_that_has_died")
def lease_ends_early():
    return store("try_acquire", lambda real, self, name, owner, ttl: real(self, name, owner, ttl / 10))


@mutant("late_release_frees_nobody_elses_lock", "release_without_a_fence_frees_what_the_owner_has")
def release_frees_whoever_holds():
    def release(real, self, name, owner, fence):
        return name in self._locks and real(self, name, "", self._locks[name].fence)

    return store("release", release)


@mutant("release_frees_and_its_repeat_returns_the_same", "lost_answer_to_release_is_no_loss")
def repeat_of_a_release_is_a_loss():
    def release(real, self, name, owner, fence):
        held = self._locks.get(name)
        return bool(held and held.owner) and real(self, name, owner, fence)

    return store("release", release)


@mutant(
    "release_without_a_fence_frees_what_the_owner_has",
    "interrupt_while_the_store_grants_leaves_nothing_held",
    "task_that_is_cancelled_while_the_store_grants_leaves_nothing_held",
)
def what_was_granted_unawares_is_not_freed():
    return store("release", lambda real, self, name, owner, fence: bool(fence) and real(self, name, owner, fence))


@mutant(
    "extension_puts_the_end_off",
    "extension_begins_the_lease_anew_however_long_it_was",
    "extension_of_what_was_lost_is_refused",
    "lease_is_renewed_while_the_block_lasts",
    "broken_lock_is_told_by_the_renewal",
    "broken_lock_is_told_to_a_task",
)
def extension_does_nothing():
    return store("extend", lambda real, self, *args: True)


@mutant("extension_begins_the_lease_anew_however_long_it_was")
def extension_only_lengthens():
    def extend(real, self, name, owner, fence, ttl):
        return real(
            self, name, owner, fence, max(ttl, self._locks[name].until - moment() if name in self._locks else 0)
        )

    return store("extend", extend)


@mutant("lease_that_has_ended_is_not_extended_though_nobody_took_it")
def extension_revives():
    def extend(real, self, name, owner, fence, ttl):
        held = self._locks.get(name)
        if held and (held.owner, held.fence) == (owner, fence):
            held.until = moment() + ttl
        return real(self, name, owner, fence, ttl)

    return store("extend", extend)


@mutant(
    "check_tells_whether_a_lease_is_held",
    "broken_lock_is_told_by_check_and_on_leaving",
    "broken_lock_is_told_to_a_task",
    "broken_lock_is_free_and_its_fence_is_passed",
)
def check_says_yes():
    return store("check", lambda real, self, *args: True)


@mutant("check_tells_whether_a_lease_is_held")
def check_minds_no_owner():
    def check(real, self, name, owner, fence):
        held = self._locks.get(name)
        return held is not None and real(self, name, held.owner, fence)

    return store("check", check)


@mutant("holders_are_listed", "function_runs_under_the_lock_that_its_arguments_name")
def freed_locks_are_listed():
    def holders(real, self):
        freed = [base.Holder(name, "", held.fence, 0.0, 1.0) for name, held in self._locks.items() if not held.owner]
        return real(self) + freed

    return store("holders", holders)


@mutant("lease_that_has_ended_is_not_listed")
def ended_leases_are_listed():
    def holders(real, self):
        known = self._locks
        self._locks = {name: replace(held, until=held.until + LONG_S) for name, held in known.items()}
        try:
            return real(self)
        finally:
            self._locks = known

    return store("holders", holders)


@mutant("broken_lock_is_free_and_its_fence_is_passed")
def break_does_not_raise_the_fence():
    def break_lock(real, self, name):
        done = real(self, name)
        if done:
            self._locks[name].fence -= 1
        return done

    return store("break_lock", break_lock)


@mutant("what_nobody_holds_cannot_be_broken")
def break_always_says_yes():
    return store("break_lock", lambda real, self, name: (real(self, name), True)[1])


@mutant("names_are_compared_exactly")
def names_are_compared_without_case():
    return store("try_acquire", lambda real, self, name, owner, ttl: real(self, name.casefold(), owner, ttl))


@mutant("names_are_compared_exactly")
def names_are_compared_without_trailing_blanks():
    return store("try_acquire", lambda real, self, name, owner, ttl: real(self, name.rstrip(" "), owner, ttl))


# -- leases --


@mutant(
    "block_holds_the_lock",
    "error_leaves_the_block_and_frees_the_lock",
    "block_of_a_task_holds_the_lock",
    "task_that_is_cancelled_in_the_block_frees_the_lock",
    "all_of_several_are_held_or_none",
    "several_are_held_by_a_task_or_none",
    "several_in_opposite_orders_end_without_a_deadlock",
    "function_runs_under_the_lock_that_its_arguments_name",
    "error_of_a_function_is_its_own",
)
def block_does_not_release():
    async def aclose(self):
        pass

    return patch.object(Lease, "close", lambda self: None), patch.object(Lease, "aclose", aclose)


@mutant("bounds_are_checked")
def names_have_no_bounds():
    return patch.object(block, "LONGEST_NAME", 1000)


@mutant("bounds_are_checked")
def times_have_no_bounds():
    return patch.object(block, "LONGEST_TTL", float("inf"))


@mutant(
    "lease_is_renewed_while_the_block_lasts",
    "renewal_goes_on_when_the_store_was_silent_once",
    "broken_lock_is_told_by_the_renewal",
)
def nothing_is_renewed():
    return around(Lease, "begin", lambda real, self, *, renew: real(self, renew=False))


@mutant("renewal_goes_on_when_the_store_was_silent_once")
def renewal_ends_with_the_first_silence():
    def renew(real, self):
        try:
            self.extend()
        except BackendUnavailable:
            return None
        return self._next()

    return around(Lease, "_renew", renew)


@mutant("lease_without_renewal_ends_and_its_loss_is_told_once", "loss_is_told_though_the_store_never_answers")
def deadline_is_not_watched():
    return patch.object(lease, "watch", SimpleNamespace(add=lambda *job: None, remove=lambda job: None))


@mutant("lease_without_renewal_ends_and_its_loss_is_told_once")
def loss_is_told_twice():
    return around(Lease, "_tell", lambda real, self: (real(self), real(self)))


@mutant("loss_does_not_mask_the_error_of_the_block", "error_leaves_the_block_and_frees_the_lock")
def loss_masks_the_error():
    def conclude(real, self, lease, error):
        if error is not None:
            raise LockTimeout("masked", name=self.name)

    return around(block.Lock, "_conclude", conclude)


@mutant("lease_is_counted_from_before_the_request")
def lease_is_counted_from_the_answer():
    def acquire(real, self, name, owner, ttl, wait):
        grant = real(self, name, owner, ttl, wait)
        return grant and grant._replace(until=moment() + ttl)

    return store("acquire", acquire)


@mutant("extension_is_counted_from_before_the_request")
def extension_is_counted_from_the_answer():
    def extend(real, self):
        real(self)
        self._until = moment() + self.ttl

    return around(Lease, "extend", extend)


@mutant("extension_begins_the_lease_of_the_block_anew", "lease_is_renewed_while_the_block_lasts")
def extension_does_not_move_the_deadline():
    def extend(real, self):
        until = self._until
        real(self)
        self._until = until

    return around(Lease, "extend", extend)


@mutant("broken_lock_is_told_by_check_and_on_leaving", "broken_lock_is_told_by_the_renewal")
def loss_at_the_store_is_not_noted():
    def gone(real, self):
        raise lease.LockLost("lost", name=self.name)

    return around(Lease, "_gone", gone)


@mutant("broken_lock_is_told_by_check_and_on_leaving")
def answer_to_release_is_not_heard():
    return around(Lease, "_released", lambda real, self, mine: real(self, True))


@mutant("lock_is_not_held_where_the_store_does_not_answer")
def silence_is_taken_for_consent():
    def asked(call):
        with contextlib.suppress(BackendUnavailable):
            return call()
        return Tried(1)

    return patch.object(base, "asked_twice", asked)


@mutant("lost_answer_to_acquire_costs_nothing", "release_that_was_lost_is_repeated")
def store_is_asked_once():
    return patch.object(base, "asked_twice", lambda call: call()), patch.object(
        lease, "asked_twice", lambda call: call()
    )


@mutant("silent_store_does_not_fail_a_block_that_has_ended")
def silence_on_release_is_raised():
    def unanswered(real, self, error):
        raise error

    return around(Lease, "_unanswered", unanswered)


@mutant("what_happens_is_signalled")
def nothing_is_signalled():
    return tuple(
        patch.object(signal, "send_robust", lambda *args, **told: [])
        for signal in (signals.lock_acquired, signals.lock_released, signals.lock_lost)
    )


# -- owners --


@mutant("other_thread_is_another_owner", "one_of_a_crowd_is_inside_at_a_time")
def threads_are_one_owner():
    one = owner.Runner(os.getpid(), 0, 0)
    return patch.object(lease, "running", lambda: one), patch.object(held, "running", lambda: one)


@mutant("owner_may_enter_again_with_the_same_fence", "block_of_a_task_holds_the_lock")
def owner_is_not_known_again():
    return patch.object(held.HeldLeases, "find", lambda self, store, name: None)


@mutant("owner_may_enter_again_with_the_same_fence")
def innermost_block_frees():
    def left(real, self):
        found = real(self)
        if found is not None:
            found.depth = 0
        return found

    return around(block.Lock, "_left", left)


@mutant("lock_that_was_lost_is_not_entered_again")
def what_was_lost_is_entered_again():
    return patch.object(Lease, "require", lambda self: None)


@mutant("lock_that_a_thread_has_left_behind_is_renewed_no_more")
def what_was_left_behind_is_renewed():
    return patch.object(lease, "lives", lambda runner: True)


@mutant("child_after_a_fork_does_not_own_what_its_parent_holds")
def fork_goes_unnoticed():
    pid = os.getpid()
    own = SimpleNamespace(getpid=lambda: pid)
    return tuple(patch.object(module, "os", own) for module in (lease, owner, line, ticker))


@mutant("owner_tells_who_it_is")
def owner_is_a_number_alone():
    real = owner.new_owner
    return patch.object(block, "new_owner", lambda: real().split(" ")[-1])


@mutant("all_of_several_are_held_or_none")
def what_was_had_of_several_is_kept():
    class Kept(many.ExitStack):
        def __exit__(self, *error):
            return self.pop_all() and None

    return patch.object(many, "ExitStack", Kept)


@mutant("several_are_held_by_a_task_or_none")
def what_a_task_had_of_several_is_kept():
    class Kept(many.AsyncExitStack):
        async def __aexit__(self, *error):
            return self.pop_all() and None

    return patch.object(many, "AsyncExitStack", Kept)


@mutant("several_in_opposite_orders_end_without_a_deadlock")
def several_are_taken_as_they_come():
    return patch.object(many, "sorted", list, create=True), patch.object(many, "set", dict.fromkeys, create=True)


@mutant("wait_for_several_is_bounded_together")
def each_of_several_is_waited_for():
    return patch.object(many.Locks, "_in_time", lambda self: self._blocks)


@mutant(
    "function_runs_under_the_lock_that_its_arguments_name",
    "coroutine_function_runs_under_the_lock_that_its_arguments_name",
)
def arguments_do_not_name_the_lock():
    return patch.object(decorator, "lock", lambda name, **options: block.lock("one for all", **options))


@mutant("coroutine_function_runs_under_the_lock_that_its_arguments_name")
def coroutine_runs_after_its_lock():
    return patch.object(decorator, "iscoroutinefunction", lambda function: False)


@mutant("timeout_of_the_function_itself_is_not_taken_for_a_busy_lock")
def timeout_of_the_function_is_taken_for_a_busy_lock():
    def locked(*args, **options):
        def decorate(function):
            def call(*given):
                try:
                    return decorator.locked(*args, **options)(function)(*given)
                except LockTimeout:
                    return None

            return call

        return decorate

    return patch.object(lock_owners, "locked", locked)


@mutant("function_is_skipped_or_refused_where_the_lock_is_busy")
def busy_function_is_always_skipped():
    def locked(*args, **options):
        return decorator.locked(*args, **{**options, "on_busy": "skip"})

    return patch.object(lock_owners, "locked", locked)


@mutant("wrong_template_or_option_is_told_where_the_function_is_made")
def template_is_not_read():
    return patch.object(decorator, "Formatter", lambda: SimpleNamespace(parse=lambda template: []))


# -- waiting --


@mutant("waiter_is_woken_by_the_release_of_this_process")
def release_wakes_nobody():
    return patch.object(Line, "freed", lambda self, name: None)


@mutant("waiter_is_woken_by_the_release_of_another_process")
def pauses_grow_without_end():
    return (
        patch.object(MemoryLocks, "longest_pause", LONG_S),
        patch.object(waiting, "FIRST_PAUSE_S", 0.4),
        patch.object(base, "_until_worth", lambda pause, rest: pause * 4),
    )


@mutant("wait_of_zero_is_one_try", "wait_is_as_long_as_was_asked")
def wait_is_longer():
    return store("acquire", lambda real, self, name, owner, ttl, wait: real(self, name, owner, ttl, wait * 8 + 0.1))


@mutant("wait_is_as_long_as_was_asked", "waiter_is_woken_by_the_release_of_another_process")
def nobody_waits():
    return store("acquire", lambda real, self, name, owner, ttl, wait: real(self, name, owner, ttl, 0))


@mutant("wait_is_as_long_as_the_lease_unless_it_is_told")
def wait_has_a_bound_of_its_own():
    return patch.object(lock_harness, "lock", lambda name, **options: block.lock(name, **{**options, "wait": 5}))


@mutant("many_waiters_of_a_process_ask_as_seldom_as_one")
def there_is_no_line():
    def place(real, self, name, waiter):
        made = real(self, name, waiter)

        @contextlib.contextmanager
        def first():
            with made:
                waiter.first = True
                yield

        return first()

    return around(Line, "place", place)


@mutant("waiters_of_a_process_come_in_the_order_of_their_coming")
def last_come_is_first_served():
    class Stack(deque):
        def append(self, waiter):
            self.insert(1, waiter)

    return patch.object(line, "deque", Stack)


@mutant("waiter_that_gives_up_leaves_its_place", "task_that_is_cancelled_while_it_waits_leaves_its_place")
def who_gives_up_keeps_its_place():
    def place(real, self, name, waiter):
        made = real(self, name, waiter)
        places.append(made)  # else it would be left when it is collected
        made.__enter__()
        return contextlib.nullcontext()

    places = []
    return around(Line, "place", place)


# -- tasks --


@mutant("one_of_many_tasks_is_inside_at_a_time", "task_does_not_own_what_its_parent_holds")
def tasks_of_a_thread_are_one_owner():
    return patch.object(owner, "_task", lambda: None)


@mutant(
    "task_that_is_cancelled_while_the_store_grants_leaves_nothing_held",
    "task_that_is_cancelled_while_it_releases_frees_the_lock",
)
def cancelled_call_is_not_awaited():
    async def work(awaitable):
        return await awaitable

    return patch.object(waiting, "to_the_end", work), patch.object(block, "to_the_end", work)
