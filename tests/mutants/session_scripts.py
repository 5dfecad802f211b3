"""Faults of the scripts of sessions on Redis, each with the behaviours that must fail under it."""

from unittest.mock import patch

from django_dist.idempotency.redis_scripts import Script
from django_dist.sessions import redis_calls
from mutants import catalogue

OVERLAP = "test_overlapping_requests_that_set_different_keys_lose_none"
LOGOUT = "test_logout_wins_over_a_request_that_runs"
BETWEEN = "test_what_was_ended_between_two_commands_stays_so"
TWICE = "test_script_that_is_sent_twice_is_one"
LIFETIME = "test_absolute_lifetime_ends_a_busy_session"
TOUCH = "test_end_is_put_off_once_in_touch_every_seconds"
OVER = "test_what_is_over_or_logged_out_is_not_listed"

MUTANTS, mutant = catalogue()


def changed(name, *changes):
    """Change the script ``name``: each change is the old text, and what comes into its place."""
    text = getattr(redis_calls, name).text
    for old, new in changes:
        assert old in text, f"{name} has no {old!r} any more"
        text = text.replace(old, new)
    return patch.object(redis_calls, name, Script(text))


VERSION = "had[1] ~= ARGV[5]"
EXPIRE = "redis.call('PEXPIRE', KEYS[1], ARGV[4])"


# -- what stands --


@mutant(TWICE)
def taken_key_is_taken_over():
    return changed("INSERT", ("if writer then", "if false then"))


@mutant(TWICE)
def inserted_twice_is_refused():
    return changed("INSERT", ("writer == ARGV[3] and 1 or 0", "0"))


@mutant(OVERLAP)
def update_asks_for_no_version():
    return changed("UPDATE", (VERSION, "not had[1]"))


@mutant(LOGOUT, BETWEEN)
def update_brings_back_what_has_ended():
    return changed("UPDATE", (VERSION, "had[1] and had[1] ~= ARGV[5]"), ("had[1] + 1", "(had[1] or 0) + 1"))


@mutant(OVERLAP)
def update_is_no_next_version():
    return changed("UPDATE", ("had[1] + 1", "had[1]"))


@mutant(TWICE)
def updated_twice_is_refused():
    return changed("UPDATE", ("had[2] == ARGV[3] and 1 or 0", "0"))


@mutant("test_new_key_takes_along_what_others_have_saved")
def new_key_asks_for_no_version():
    return changed("RENAME", (VERSION, "not had[1]"))


@mutant(LOGOUT)
def new_key_leaves_the_old_one():
    return changed("RENAME", ("redis.call('RENAME', KEYS[1], KEYS[2])", "redis.call('COPY', KEYS[1], KEYS[2])"))


@mutant(TWICE)
def renamed_twice_is_refused():
    return changed("RENAME", ("redis.call('HGET', KEYS[2], 'w') == ARGV[3] and 1 or 0", "0"))


@mutant("test_touch_brings_nothing_back", BETWEEN)
def touch_makes_a_session():
    made = "user = ''\n  redis.call('HSET', KEYS[1], 'v', 1, 'd', '', 'u', '', 'c', 0)"
    return changed("TOUCH", ("if not user then\n  return 0", f"if not user then\n  {made}"))


@mutant(LOGOUT, BETWEEN)
def nothing_is_deleted():
    return changed("DELETE", ("return redis.call('DEL', KEYS[1])", "return 1"))


# -- how long --


@mutant(LIFETIME)
def inserted_for_ever():
    return changed("INSERT", (EXPIRE, ""))


@mutant(LIFETIME)
def update_leaves_the_end():
    return changed("UPDATE", (EXPIRE, ""))


@mutant(LIFETIME)
def nothing_has_lived():
    return changed("READ", ("now - row[4]", "0"))


@mutant(LIFETIME)
def new_key_begins_a_lifetime():
    return changed("RENAME", ("local created = had[3]", "local created = now"))


@mutant("test_login_begins_an_absolute_lifetime")
def login_goes_on_with_the_lifetime():
    return changed("RENAME", ("  created = now\n", ""))


@mutant(TOUCH)
def touch_leaves_the_end():
    return changed("TOUCH", ("redis.call('PEXPIRE', KEYS[1], ARGV[1])", ""))


@mutant(TOUCH)
def touch_is_not_noted():
    return changed("TOUCH", ("'s', now, ", "'z', now, "))


@mutant(TOUCH)
def nothing_is_idle():
    return changed("READ", ("now - row[3]", "0"))


# -- whose; more in session_index.py --


@mutant(OVER)
def what_has_ended_is_listed():
    return changed("LIST", ("if row[1] then", "row[1], row[2] = row[1] or now, row[2] or now\n  if true then"))
