"""Faults of the cookie engine, each with the tests of sessions/test_cookie.py that must fail under it."""

import hashlib
import zlib
from unittest.mock import patch

from django_dist.sessions import cipher, cookie, cookie_form, cookie_size
from django_dist.sessions.cookie import SessionStore

from . import catalogue

OURS = "test_cookie_of_another_site_name_or_purpose_is_none"
SPOILT = "test_tampered_and_truncated_cookies_are_no_session_and_are_told"
STRANGE = "test_what_is_no_cookie_of_ours_is_no_session_and_is_not_told"
LOGOUT = "test_logout_ends_every_copy"
SPILL = "test_what_is_too_large_spills_and_comes_back_without_a_trace"
OWN_ROW = "test_revocable_session_spills_into_its_own_row_and_comes_back"
LIFETIME = "test_absolute_lifetime_is_not_put_off"
REWRITTEN = "test_rewriting_does_not_lengthen_the_absolute_lifetime"
ENCRYPTED = "test_encrypted_cookie_shows_nothing_and_is_read_either_way"
MUTANTS, mutant = catalogue()


# -- form --


@mutant(OURS)
def cookie_is_not_bound_to_its_name():
    return patch.object(cookie_form, "_salt", lambda: cookie_form.PURPOSE)


@mutant(OURS)
def cookie_is_not_bound_to_its_purpose():
    return patch.object(cookie_form, "_salt", lambda: "django.core.signing.Signer")


@mutant(SPOILT, OURS)
def nothing_is_told():
    return patch.object(cookie_form.log, "warning", lambda *_: None)


@mutant(STRANGE)
def length_is_not_looked_at():
    return patch.object(cookie_form, "read", _without_bounds(cookie_form.read))


def _without_bounds(read):
    def without(value, *, encrypt):
        if len(value) > cookie_form.LONGEST:
            cookie_form.log.warning("looked at %d bytes", len(value))
        return read(value, encrypt=encrypt)

    return without


@mutant("test_bomb_is_an_empty_session")
def inflates_without_end():
    return patch.object(cookie_form, "_inflated", zlib.decompress)


@mutant(ENCRYPTED)
def encryption_is_encoding():
    class Cipher:
        def encrypt(self, nonce, plain, _):
            return plain

        decrypt = encrypt

    return patch.object(cipher, "cipher", lambda purpose, secret: Cipher())


@mutant(ENCRYPTED, "test_key_that_is_changed_is_followed_by_the_next_read")
def old_form_stays():
    return patch.object(
        cookie_form,
        "read",
        lambda value, *, encrypt, read=cookie_form.read: (
            (found := read(value, encrypt=encrypt)) and found._replace(is_stale=False)
        ),
    )


@mutant("test_session_comes_back_whole")
def text_is_cut():
    return patch.object(cookie_form, "_content", lambda body, content=cookie_form._content: content(body[:4000]))


# -- life --


@mutant("test_expiry_of_its_own_is_kept_to")
def own_expiry_is_not_looked_at():
    return patch.object(SessionStore, "get_expiry_age", lambda self, **_: 1_209_600)


@mutant("test_session_ends_after_its_age_and_a_touch_puts_that_off")
def no_session_ends():
    return patch.object(SessionStore, "get_session_cookie_age", lambda self: 10**9)


@mutant("test_signature_is_that_of_djangos_signing")
def signature_is_of_our_own_making():
    return patch.object(cookie_form, "_signing_key", lambda secret, salt: hashlib.sha256(salt.encode()).digest())


@mutant("test_session_ends_after_its_age_and_a_touch_puts_that_off")
def touch_writes_nothing():
    return patch.object(SessionStore, "_touch", lambda self: iter(()))


@mutant("test_session_that_was_just_written_is_not_due")
def every_read_is_due():
    return patch.object(SessionStore, "is_due", True)


@mutant(LIFETIME, REWRITTEN)
def life_begins_with_each_cookie():
    made = cookie_form.write
    return patch.object(
        cookie_form, "write", lambda content, *, encrypt: made(content._replace(lived=0), encrypt=encrypt)
    )


# -- size --


@mutant("test_budget_is_that_of_the_whole_line")
def budget_is_that_of_the_value():
    return patch.object(cookie_size, "overhead", lambda age: 0)


@mutant("test_hard_limit_is_that_of_name_and_value")
def name_does_not_count():
    return patch.object(cookie_size, "len", lambda thing: 0 if thing == "sessionid" else len(thing), create=True)


@mutant("test_every_length_of_the_value_counts_as_it_is_sent")
def overhead_is_that_of_a_plain_cookie():
    bare = cookie_size._overhead
    return patch.object(
        cookie_size, "_overhead", lambda age, name, path, domain, *others: bare(age, name, "/", None, *others)
    )


@mutant("test_text_that_is_not_ascii_counts_as_it_is_written", "test_error_says_what_takes_the_room")
def nothing_is_too_large():
    return patch.object(cookie, "check", lambda *_: None)


@mutant("test_error_says_what_takes_the_room")
def smallest_are_named():
    largest = cookie_size._largest
    return patch.object(cookie_size, "_largest", lambda data, text: largest(data, text)[::-1])


@mutant("test_warning_comes_at_four_fifths")
def warning_never_comes():
    return patch.object(cookie_size, "WARN_AT", 1.0)


@mutant("test_warning_comes_at_four_fifths")
def warning_always_comes():
    return patch.object(cookie_size, "WARN_AT", 0.0)


@mutant("test_refused_cookie_leaves_the_old_one_and_tells")
def refusal_is_not_told():
    return patch.object(cookie.session_cookie_refused, "send", lambda **_: None)


# -- on the server --


@mutant("test_cookie_alone_asks_no_server")
def server_is_asked_for_nothing():
    return patch.object(cookie, "has_server", lambda: True), patch.object(
        cookie, "server_of", lambda value: cookie.server_engine()("k" * 32)
    )


@mutant(SPILL)
def spilled_row_stays():
    def save_spilled(self, server, save=SessionStore._save_spilled):
        with patch.object(type(server), "_delete", lambda self, key: iter(())):
            yield from save(self, server)

    return patch.object(SessionStore, "_save_spilled", save_spilled)


@mutant(SPILL, OWN_ROW)
def spilled_session_never_comes_back():
    def save_spilled(self, server):
        server._session_cache = self._session_cache
        yield from server._save(must_create=False)
        self._take_over(server)

    return patch.object(SessionStore, "_save_spilled", save_spilled)


@mutant("test_spilled_session_merges_and_ends_with_its_logout")
def mine_is_written_over_theirs():
    from django_dist.sessions import changes

    return patch.object(changes.Changes, "onto", lambda self, theirs, strict=False: {**self._before, **self.set})


@mutant(LOGOUT, "test_spilled_session_merges_and_ends_with_its_logout", OWN_ROW)
def logout_leaves_the_server_alone():
    return patch.object(cookie, "server_of", lambda value: None)


@mutant(LOGOUT)
def save_does_not_ask_whether_it_stands():
    def note(self, sid, noted=SessionStore._note):
        if self._server is None:
            yield from noted(self, sid)

    return patch.object(SessionStore, "_note", note)


@mutant(LOGOUT, "test_read_of_a_revocable_session_is_one_question")
def load_does_not_ask_whether_it_stands():
    def stands(self, sid):
        self._server = cookie.server_engine()(sid)
        return True
        yield

    return patch.object(SessionStore, "_stands", stands)


@mutant(LOGOUT, OWN_ROW)
def server_keeps_the_data_too():
    return patch.object(cookie, "only_user", dict)


@mutant("test_server_knows_whose_session_it_is")
def server_is_not_told_whose():
    return patch.object(cookie, "only_user", lambda data: {})


@mutant("test_new_key_ends_copies_of_the_old_cookie", "test_spilled_session_gets_another_key")
def new_key_leaves_the_old_one():
    return patch.object(SessionStore, "_cycle", lambda self: self._save(must_create=False))


@mutant("test_answer_of_the_server_may_be_kept_for_a_while")
def nothing_is_remembered():
    return patch.object(cookie, "remember", lambda sid: None)


@mutant("test_answer_of_the_server_may_be_kept_for_a_while")
def logout_is_not_remembered():
    class Alive(dict):
        def pop(self, *_):
            return None

    return patch.object(cookie, "alive", Alive())


@mutant("test_session_from_before_revocation_becomes_revocable_by_its_next_read")
def old_cookie_stays_beyond_recall():
    return old_form_stays(), patch.object(
        SessionStore, "modified", property(lambda self: False, lambda self, value: None)
    )
