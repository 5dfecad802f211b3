"""A user's sessions under other engines: those in a cookie that a server knows of, and those that nobody knows of."""

from django.db import connections, transaction
from django.test import TestCase, TransactionTestCase, override_settings

from django_dist.clock import StoreNow
from django_dist.exceptions import InvalidBackend
from django_dist.models import StoredSession
from django_dist.sessions import revoke, revoke_all, sessions_for
from django_dist.sessions.cookie import SessionStore
from django_dist.sessions.sql import Statements
from django_dist.testing.case import DatabaseCase
from services import needs


def settings(engine, **options):
    return override_settings(SESSION_ENGINE=engine, DIST_SESSIONS={"default": {"OPTIONS": options}})


class IndexTests(DatabaseCase, TransactionTestCase):
    """A user's sessions are found by an index, however many others there are."""

    how, used = "EXPLAIN QUERY PLAN {}", "django_dist_session_user"

    def test_sessions_of_a_user_are_found_by_an_index(self):
        made = Statements(connections[self.database].vendor)
        found = StoredSession.objects.using(self.database).filter(user_id="7", expires_at__gt=StoreNow())
        listing, values = found.order_by("-seen_at").query.get_compiler(self.database).as_sql()
        spared = "0" * 32
        asked = [(made.others, ["7", spared]), (made.delete_others, ["7", spared]), (listing, values)]
        with transaction.atomic(using=self.database), connections[self.database].cursor() as cursor:
            self.prepare(cursor)
            for sql, parameters in asked:
                cursor.execute(self.how.format(sql), parameters)
                self.assertIn(self.used, str(cursor.fetchall()))

    def prepare(self, cursor):
        """Let the planner not go through a table of no rows."""


@needs("postgres")
class IndexOnPostgreSQLTests(IndexTests):
    database, how = "postgres", "EXPLAIN {}"

    def prepare(self, cursor):
        cursor.execute("SET LOCAL enable_seqscan = off")


class CookieTests(TestCase):
    def login(self):
        session = SessionStore()
        session.meta = {"REMOTE_ADDR": "192.0.2.1"}
        session["_auth_user_id"] = "7"
        session.save()
        return session.session_key

    def test_cookie_that_a_server_knows_of_is_listed_and_revoked(self):
        with settings("django_dist.sessions.cookie", revocation=True, record_ip="full"):
            mine, other = self.login(), self.login()
            found = sessions_for("7", SessionStore(mine))
            self.assertEqual([(one.ip, one.is_current) for one in found].count(("192.0.2.1", True)), 1)
            self.assertEqual(revoke_all("7", except_session=SessionStore(mine)), 1)
            self.assertEqual(
                (SessionStore(other).get("_auth_user_id"), SessionStore(mine)["_auth_user_id"]), (None, "7")
            )
            self.assertTrue(revoke(sessions_for("7")[0].id))
            self.assertIsNone(SessionStore(mine).get("_auth_user_id"))

    def test_refused_login_leaves_the_cookie_as_it_was(self):
        with settings("django_dist.sessions.cookie", revocation=True, max_per_user=1, on_max="refuse"):
            self.login()
            with self.assertRaisesMessage(Exception, "1 sessions already"):
                self.login()
            self.assertEqual(len(sessions_for("7")), 1)

    def test_engine_without_a_server_says_so(self):
        for engine in ("django_dist.sessions.cookie", "django.contrib.sessions.backends.db"):
            with settings(engine), self.assertRaisesMessage(InvalidBackend, engine):
                sessions_for("7")

    def test_nobody_has_no_sessions_and_a_user_without_a_key_is_an_error(self):
        from django.contrib.auth.models import AnonymousUser, User

        with settings("django_dist.sessions.database"):
            self.assertEqual((sessions_for(AnonymousUser()), revoke_all(AnonymousUser())), ([], 0))
            self.assertFalse(revoke("0" * 32, user=AnonymousUser()))
            for user in (User(), None):
                with self.assertRaisesMessage(ValueError, "primary key"):
                    sessions_for(user)
            with self.assertRaises(ValueError):
                revoke_all("7", except_session="nonsense")
