"""Faults of what belongs to a user's sessions, each with the behaviours that must fail under it."""

from contextlib import contextmanager
from unittest.mock import patch

from asgiref.sync import sync_to_async

from django_dist.models import StoredSession
from django_dist.sessions import database, device, people, place, store, users
from django_dist.sessions.device import Device
from django_dist.sessions.options import Options

from .sessions import mutant, statement

LISTED = "test_sessions_of_a_user_are_listed_without_a_cookie"
OVER = "test_what_is_over_or_logged_out_is_not_listed"
HANDS = "test_session_that_changes_hands_is_listed_for_the_other_alone"
AS_CREATION = "test_login_counts_as_creation"
REVOKED = "test_revoked_session_is_over_and_a_running_request_cannot_undo_it"
OTHERS = "test_session_of_another_user_is_not_revoked"
ALL = "test_all_sessions_end_except_one_and_those_of_others"
COROUTINES = "test_coroutines_do_the_same"
OLDEST = "test_oldest_login_ends_where_there_is_one_too_many"
REFUSED = "test_one_too_many_is_refused_and_changes_nothing"
AT_ONCE = "test_logins_at_once_stay_within_the_limit"
ANEW = "test_client_is_known_anew_by_login_save_new_key_and_touch"
Place = database.DatabaseSessions


@mutant(LISTED, HANDS)
def everybody_s_sessions_are_listed():
    listed = Place.listed

    def all_of_them(self, user):
        StoredSession.objects.using(self.database).filter(user_id__isnull=False).update(user_id=user)
        return listed(self, user)

    return patch.object(Place, "listed", all_of_them)


@mutant("test_last_seen_stands_first")
def last_seen_stands_last():
    shown = people._shown
    return patch.object(people, "_shown", lambda found, current: shown(found[::-1], current))


@mutant(OVER)
def absolute_lifetime_is_not_looked_at():
    return patch.object(people, "options", Options)


@mutant(HANDS)
def first_user_stays():
    return statement("enter", lambda sql: sql.replace("user_id = %s", "user_id = COALESCE(user_id, %s)"))


@mutant("test_user_with_a_long_primary_key_is_told_from_others")
def long_names_are_cut():
    return patch.object(users, "_name", lambda text: text[: users.LONGEST_USER])


@mutant(AS_CREATION)
def login_is_no_creation():
    return statement("enter", lambda sql: sql.replace(sql[sql.index("created_at") : sql.index("version = ")], ""))


@mutant(AS_CREATION)
def every_save_is_a_creation():
    return statement("update", lambda sql: sql.replace("SET ", "SET created_at = strftime('%%Y-%%m-%%d', 'now'), "))


@mutant("test_list_and_ends_ask_the_store_once")
def sessions_are_ended_one_by_one():
    def one_by_one(self, user, but):
        return sum(self.delete(one.digest) for one in self.listed(user) if one.digest != but)

    return patch.object(Place, "delete_all", one_by_one)


@mutant(REVOKED)
def running_request_undoes_the_end():
    def save(self, must_create):
        if not (yield from self._write("update")):
            yield from self._insert()

    return patch.object(store.DistSession, "_save", save)


@mutant(OTHERS, COROUTINES)
def session_of_anybody_is_revoked():
    return statement("delete_of", lambda sql: sql.replace("user_id = %s", "%s <> ''"))


@mutant(ALL, COROUTINES)
def none_is_spared():
    return statement("delete_others", lambda sql: sql.replace("digest <> %s", "%s <> ''"))


@mutant(COROUTINES)
def coroutine_does_not_ask_whose_it_is():
    async def anybody(self, digest, user=None):
        return await sync_to_async(self.delete)(digest)

    return patch.object(place.SessionPlace, "adelete", anybody)


@mutant(OLDEST)
def newest_login_ends():
    return statement("others", lambda sql: sql.replace("ORDER BY created_at", "ORDER BY created_at DESC"))


@mutant(OLDEST, REFUSED, AT_ONCE)
def nobody_is_counted():
    return statement("others", lambda sql: sql.replace("WHERE ", "WHERE 1 = 0 AND "))


@mutant(REFUSED)
def what_is_over_is_counted():
    return statement("others", lambda sql: sql.replace("expires_at >", "'~' >"))


@mutant(AT_ONCE)
def logins_do_not_wait_for_each_other():
    @contextmanager
    def turn(self, user):
        yield

    return patch.object(Place, "_turn", turn)


@mutant("test_nothing_of_the_client_is_recorded_unasked")
def client_is_recorded_unasked():
    return patch.object(store, "device_of", lambda meta: Device("203.0.113.77", "Browser/1"))


@mutant("test_client_is_recorded_as_it_is_asked_for")
def address_is_recorded_whole():
    return patch.object(device, "KEPT_BITS", {4: 32, 6: 128})


@mutant(ANEW)
def touch_leaves_the_client():
    return statement("touch", lambda sql: sql.replace("COALESCE(%s, ip)", "COALESCE(ip, %s)"))


@mutant(ANEW)
def save_of_no_request_forgets_the_client():
    return statement("update", lambda sql: sql.replace("COALESCE(%s, ip)", "%s"))
