"""Faults of sessions, each with the behaviours of SessionConformance that must fail under it."""

import zlib
from unittest.mock import patch

from django.conf import settings

from django_dist.sessions import changes, database, sealing, store
from django_dist.sessions.sql import Statements

from . import catalogue

OVERLAP = "test_overlapping_requests_that_set_different_keys_lose_none"
LOGOUT = "test_logout_wins_over_a_request_that_runs"
STRICT = "test_strict_session_raises_and_saves_nothing"
NEW_KEY = "test_new_key_takes_along_what_others_have_saved"
ASKED = "test_store_is_asked_as_seldom_as_can_be"
REFUSED = "test_what_was_not_stored_here_is_refused_and_told"
SUM = "test_numbers_that_are_added_to_add_up"
LIFETIME = "test_absolute_lifetime_ends_a_busy_session"
MUTANTS, mutant = catalogue()


def statement(name, change):
    """Seed a fault into one statement."""
    made = Statements.__init__

    def init(self, vendor):
        made(self, vendor)
        setattr(self, name, change(getattr(self, name)))

    return patch.object(Statements, "__init__", init), patch.object(database, "statements", Statements)


@mutant(OVERLAP, SUM, STRICT, "test_additions_by_many_at_once_are_all_there")
def version_is_not_compared():
    return statement("update", lambda sql: sql.replace("AND version = %s", "AND %s > 0"))


@mutant(NEW_KEY)
def version_is_not_compared_for_a_new_key():
    return statement("rename", lambda sql: sql.replace("AND version = %s", "AND %s > 0"))


@mutant(OVERLAP)
def mine_is_written_over_theirs():
    return patch.object(changes.Changes, "onto", lambda self, theirs, strict=False: {**self._before, **self.set})


@mutant("test_deleted_key_stays_deleted_and_an_untouched_one_stays")
def deleted_keys_come_back():
    return patch.object(changes.Changes, "onto", lambda self, theirs, strict=False: {**theirs, **self.set})


@mutant("test_last_writer_of_a_key_wins")
def first_writer_wins():
    return patch.object(changes.Changes, "onto", lambda self, theirs, strict=False: {**self.set, **theirs})


@mutant(STRICT)
def nobody_is_strict():
    return patch.object(changes.Changes, "_clashes", lambda self, key, theirs: False)


@mutant(STRICT)
def the_same_change_is_a_conflict():
    return patch.object(changes.Changes, "_clashes", lambda self, key, theirs: True)


@mutant(SUM, "test_additions_by_many_at_once_are_all_there")
def sums_are_set():
    return patch.object(changes, "_is_sum", lambda *_: False)


@mutant("test_number_that_is_set_besides_is_set")
def what_is_set_is_added():
    return patch.object(changes, "_is_sum", lambda *_: True)


@mutant("test_change_inside_of_a_list_or_dict_is_noticed")
def changes_within_are_not_noticed():
    return patch.object(store.DistSession, "_is_changed_within", lambda self: False)


@mutant("test_true_is_not_taken_for_one")
def values_are_compared_as_python_does():
    return patch.object(changes.Changes, "_differs", lambda self, one, other: one != other)


@mutant("test_cleared_session_is_empty_whatever_was_stored")
def clear_keeps_what_is_stored():
    made = changes.Changes.__init__

    def init(self, before, *others):
        made(self, before, *others)
        self.deleted = set()

    def write(self, *arguments):
        return (yield from whole(self, *arguments))

    whole = store.DistSession._write
    return (
        patch.object(changes.Changes, "__init__", init),
        patch.object(store.DistSession, "clear", lambda self: self._get_session()),
        patch.object(store.DistSession, "_write", write),
    )


@mutant(LOGOUT)
def ended_session_is_saved_anew():
    def save(self, must_create):
        if not (yield from self._write("update")):
            yield from self._insert()

    return patch.object(store.DistSession, "_save", save)


@mutant(LOGOUT)
def new_key_leaves_the_old_one():
    def cycle(self):
        self._session_cache = yield from self._load()
        yield from self._create()

    return patch.object(store.DistSession, "_cycle", cycle)


@mutant("test_new_key_after_a_logout_elsewhere_is_no_login")
def new_key_brings_a_login_back():
    def forget(self):
        self.create()

    return patch.object(store.DistSession, "_forget", forget)


@mutant("test_login_after_a_logout_elsewhere_is_a_session_of_its_own")
def login_after_a_logout_is_lost():
    return patch.object(store, "user_of", lambda data: "7")


@mutant("test_session_ends_by_the_clock_of_the_store")
def nothing_ends():
    return statement("read", lambda sql: sql.split(" AND expires_at")[0])


@mutant("test_end_is_put_off_once_in_touch_every_seconds")
def every_read_puts_the_end_off():
    return patch.object(store.DistSession, "is_due", property(lambda self: True))


@mutant("test_end_is_put_off_once_in_touch_every_seconds")
def touch_does_nothing():
    return patch.object(database.DatabaseSessions, "touch", lambda *_: None)


@mutant("test_touch_brings_nothing_back")
def touch_stores():
    return patch.object(store.DistSession, "_touch", store.DistSession._insert)


@mutant(LIFETIME)
def lifetime_has_no_end():
    return patch.object(store, "Stored", store.Stored), patch.object(
        store.DistSession, "_opened", _opened_for_ever(store.DistSession._opened)
    )


def _opened_for_ever(opened):
    return lambda self, stored: opened(self, stored and stored._replace(lived=0.0))


@mutant(LIFETIME)
def new_key_begins_a_lifetime():
    return statement(
        "rename", lambda sql: sql.replace("SET digest = %s", "SET digest = %s, created_at = datetime('now')")
    )


@mutant("test_login_begins_an_absolute_lifetime")
def login_goes_on_with_the_lifetime():
    return patch.object(store, "user_of", lambda data: None)


@mutant("test_stored_key_is_no_cookie")
def keys_are_stored():
    import uuid

    def digest(key):
        return uuid.UUID(bytes=key.encode()[:16].ljust(16, b"0"))

    return patch.object(store, "digest_of_key", digest)


@mutant("test_data_of_another_session_is_refused_and_told")
def data_is_not_bound_to_its_key():
    from django.utils.crypto import salted_hmac

    def mac(digest, body, secret):
        return salted_hmac("salt", body, secret=secret, algorithm="sha256").digest()

    return patch.object(sealing, "_mac", mac)


@mutant(
    "test_encrypted_data_shows_nothing_and_moves_to_no_other_session",
    "test_encrypted_and_plain_data_are_read_whatever_the_option_says",
)
def encryption_is_left_out():
    return patch.object(sealing.cipher, "encrypt", lambda purpose, secret, plain, bound: plain)


@mutant("test_encrypted_and_plain_data_are_read_whatever_the_option_says")
def old_key_opens_nothing_encrypted():
    decrypt = sealing.cipher.decrypt
    return patch.object(
        sealing.cipher,
        "decrypt",
        lambda purpose, secret, sealed, bound: decrypt(purpose, settings.SECRET_KEY, sealed, bound),
    )


@mutant("test_data_that_stands_for_too_much_is_refused_and_told")
def inflates_without_end():
    return patch.object(sealing, "inflated", lambda packed, most: zlib.decompress(packed))


@mutant(REFUSED)
def signature_is_not_compared():
    return patch.object(sealing, "constant_time_compare", lambda *_: True)


@mutant(REFUSED, "test_data_of_another_session_is_refused_and_told")
def refusal_is_not_told():
    return patch.object(sealing.log, "warning", lambda *_: None)


@mutant("test_rotated_secret_key_reads_and_the_next_write_is_under_the_new_one")
def fallbacks_are_not_asked():
    class Settings:
        SECRET_KEY_FALLBACKS = ()

        @property
        def SECRET_KEY(self):  # noqa: N802
            return settings.SECRET_KEY

    return patch.object(sealing, "settings", Settings())


@mutant("test_long_data_is_compressed")
def nothing_is_compressed():
    return patch.object(sealing, "COMPRESS_BYTES", 10**9)


@mutant(ASKED)
def key_is_asked_for_before_it_is_used():
    return patch.object(store.DistSession, "_create", _asking(store.DistSession._create))


def _asking(create):
    def asking(self):
        yield from self._exists("a" * 32)
        yield from create(self)

    return asking


@mutant("test_key_of_another_form_asks_no_store")
def any_form_is_asked_for():
    import re

    return patch.object(store, "KEY", re.compile(".*", re.DOTALL))
