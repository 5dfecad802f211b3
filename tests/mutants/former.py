"""Faults of moving sessions from a former engine, each with the tests of sessions/test_former.py that must fail."""

import hashlib
from unittest.mock import patch
from uuid import uuid4

from django_dist.sessions import former, former_engine, keys, options, store

from . import catalogue

MOVES = "test_session_moves_under_its_key_and_leaves_nothing_behind"
ASYNC = "test_session_moves_under_asyncio"
LOGOUT = "test_logout_ends_what_has_not_moved"
RACE = "test_logout_wins_over_a_request_that_moves_the_session"
KEPT = "test_logout_holds_where_the_former_engine_keeps_its_copy"
NEW_KEY = "test_new_key_holds_where_the_former_engine_keeps_its_copy"
LATE = "test_logout_wins_over_a_request_that_is_about_to_store_the_session"
REVOKED = "test_revocation_holds_where_the_former_engine_keeps_its_copy"
OVER = "test_session_that_was_over_does_not_move_again"
TWO = "test_two_that_move_it_at_once_have_one_session"
MUTANTS, mutant = catalogue()


def nothing(*_):
    return None
    yield


@mutant(MOVES, ASYNC, TWO)
def nothing_moves():
    return patch.object(store, "move", nothing)


@mutant(KEPT, RACE, LATE, NEW_KEY, REVOKED, OVER)
def no_mark_is_found():
    return patch.object(former, "digest_of_ended", lambda key: uuid4())


@mutant(KEPT, RACE, LATE)
def logout_leaves_no_mark():
    return patch.object(store, "mark_ended", nothing)


@mutant(LATE)
def mark_of_another_is_not_seen():
    return _answering(lambda step: True if step == ("insert", former.MARK) else None)


@mutant(REVOKED, OVER, NEW_KEY)
def move_leaves_no_mark():
    return patch.object(store, "mark_ended", nothing), _answering(
        lambda step: True if step == ("insert", former.MARK) else None, unasked=True
    )


def _answering(answer, *, unasked=False):
    """Let a move have ``answer`` to a step, in the place of the store's; ``unasked`` keeps the step from the store."""
    move = former.move

    def altered(session, value):
        plan, told = move(session, value), None
        while True:
            try:
                step = plan.send(told)
            except StopIteration as end:
                return end.value
            other = answer((step[0], step[2].data)) if step[0] == "insert" else None
            told = None if other is not None and unasked else (yield step)
            told = told if other is None else other

    return patch.object(store, "move", altered)


@mutant(MOVES, LOGOUT)
def former_copy_stays():
    return patch.object(former_engine, "delete_former", lambda value: None)


@mutant(ASYNC)
def former_copy_stays_under_asyncio():
    async def leave(value):
        pass

    return patch.object(former_engine, "adelete_former", leave)


@mutant("test_two_that_store_it_at_once_have_one_session")
def second_is_written_over_the_first():
    insert = store.DistSession._insert

    def write_over(self, *, moves=False):
        stored = yield from insert(self, moves=moves)
        if moves and not stored:
            yield "delete", self.digest
            stored = yield from insert(self, moves=moves)
        return stored

    return patch.object(store.DistSession, "_insert", write_over)


@mutant("test_former_engine_that_is_down_is_no_empty_session")
def failure_is_an_empty_session():
    def read(value):
        try:
            return former_engine._session(value).load()
        except OSError:
            return None

    return patch.object(former_engine, "read_former", read)


@mutant("test_what_nobody_knows_is_no_session")
def whatever_comes_is_stored():
    return patch.object(former_engine, "read_former", lambda value: {"": value[:9]})


@mutant("test_limit_of_sessions_does_not_stop_a_move")
def move_is_a_login():
    insert = store.DistSession._insert
    return patch.object(store.DistSession, "_insert", lambda self, *, moves=False: insert(self))


@mutant(
    "test_session_moves_under_a_key_that_is_made_of_its_cookie",
    "test_logout_ends_the_old_cookie_too",
)
def key_is_another_each_time():
    def another(value):
        return keys.new_key() if len(value) > 32 else value

    return patch.object(store, "key_of", another), patch.object(former, "key_of", another)


@mutant("test_key_cannot_be_made_without_the_secret")
def anybody_makes_the_key():
    return patch.object(former, "key_of", lambda value: hashlib.sha256(value.encode()).hexdigest()[:32])


@mutant("test_engine_that_is_none_or_ours_is_refused")
def any_engine_will_do():
    return patch.object(options.Options, "_check_former", lambda self: None)
