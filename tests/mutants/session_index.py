"""Faults of the index of users in Redis, each with the behaviours that must fail under it, on Redis."""

from unittest.mock import patch

from django_dist.idempotency.redis_scripts import Script
from django_dist.sessions import redis_calls

from . import catalogue
from .session_people import ALL, ANEW, AS_CREATION, AT_ONCE, HANDS, LISTED, OLDEST, OTHERS, OVER, REFUSED

MUTANTS, mutant = catalogue()


def changed(old, new, *names):
    """Put ``new`` in the place of ``old`` in the scripts ``names``."""
    for name in names:
        assert old in getattr(redis_calls, name).text, f"{name} has no {old!r} any more"
    return tuple(
        patch.object(redis_calls, name, Script(getattr(redis_calls, name).text.replace(old, new))) for name in names
    )


@mutant(LISTED)
def login_is_not_listed():
    return changed("list(ARGV[2], KEYS[1], ARGV[4])", "", "INSERT", "UPDATE")


@mutant(HANDS)
def former_user_keeps_it():
    return changed("unlist(had[3], KEYS[1])", "", "UPDATE")


@mutant(OVER)
def new_key_is_not_listed():
    return changed("list(ARGV[2], KEYS[2], ARGV[4])", "", "RENAME")


@mutant(AS_CREATION)
def login_is_no_creation():
    return changed("redis.call('HSET', KEYS[1], 'c', now)", "", "UPDATE")


@mutant(OTHERS)
def session_of_anybody_is_revoked():
    return changed("ARGV[1] ~= user", "false", "DELETE")


@mutant(ALL)
def none_is_spared():
    return changed("member ~= ARGV[2]", "true", "DELETE_ALL")


@mutant(OLDEST, REFUSED, AT_ONCE)
def nobody_is_counted():
    return changed("if most == '0' then", "if true then", "INSERT", "UPDATE", "RENAME")


@mutant(OLDEST)
def newest_login_ends():
    return changed("one[1] < other[1]", "one[1] > other[1]", "INSERT", "UPDATE")


@mutant(REFUSED)
def what_is_over_is_counted():
    return changed("if created and", "created = created or '0'\n    if", "INSERT", "UPDATE", "RENAME")


@mutant(ANEW)
def touch_leaves_the_client():
    return changed(", unpack(ARGV, 2)", "", "TOUCH")


@mutant("test_index_lasts_as_long_as_the_last_session")
def index_lasts_as_long_as_the_first():
    return changed(
        "if redis.call('PTTL', index) < tonumber(ttl) then", "if redis.call('PTTL', index) < 0 then", "UPDATE"
    )


@mutant("test_index_lasts_as_long_as_the_last_session")
def index_has_no_end():
    return changed("redis.call('PEXPIRE', index, ttl)", "", "INSERT", "UPDATE", "RENAME", "TOUCH")


@mutant("test_index_holds_no_more_than_what_lives")
def what_is_over_stays_in_the_index():
    return changed("redis.call('ZREMRANGEBYSCORE', index, '-inf', now)", "", "INSERT", "UPDATE")


@mutant("test_index_holds_no_more_than_what_lives")
def logout_leaves_the_index():
    return changed("unlist(user, KEYS[1])", "", "DELETE")


@mutant("test_index_that_is_lost_is_made_anew")
def touch_does_not_list():
    return changed("list(user, KEYS[1], ARGV[1])", "", "TOUCH")
