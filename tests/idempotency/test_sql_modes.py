"""MariaDB and MySQL under sql_mode settings that change what a statement means: each works in every one of them."""

from contextlib import contextmanager

from django.db import connections
from django.http import HttpResponse
from django.test import TransactionTestCase

from django_dist.clock import StoreNow
from django_dist.exceptions import InvalidBackend
from django_dist.idempotency.registry import requests
from django_dist.testing.faults import rerouted
from django_dist.testing.harness import Harness
from services import needs

STRICT = "STRICT_TRANS_TABLES"
MARIADBS = {"ORACLE", "MSSQL", "TIME_ROUND_FRACTIONAL", "ORACLE,NO_BACKSLASH_ESCAPES"}
MODES = (
    "",
    "ANSI_QUOTES",
    "PIPES_AS_CONCAT",
    "NO_BACKSLASH_ESCAPES",
    "ANSI",
    "ORACLE",
    "MSSQL",
    "TIME_ROUND_FRACTIONAL",
    "NO_ZERO_DATE,NO_ZERO_IN_DATE",
    "ORACLE,NO_BACKSLASH_ESCAPES",
)
BYTES = bytes(range(256)) + b"\\'\"`%s\\\\' || '"


@needs("mysql")
class ModeTests(Harness, TransactionTestCase):
    database = "mysql"

    @contextmanager
    def under(self, mode):
        options = {**connections["mysql"].settings_dict["OPTIONS"], "sql_mode": f"{STRICT},{mode}".rstrip(",")}
        with self.subTest(mode), rerouted("mysql", OPTIONS=options):
            if mode in MARIADBS and not connections["mysql"].mysql_is_mariadb:
                self.skipTest("a mode of MariaDB alone")
            self.records().delete()
            yield

    def binary(self, request):
        self.effect()
        answer = HttpResponse(BYTES, content_type="application/octet-stream", status=201, reason="It's \\ done")
        answer["X-Quoted"] = "\\ \" ' ` || %s"
        return answer

    def test_request_and_repeat(self):
        for mode in MODES:
            with self.under(mode):
                first = self.assert_once(self.binary, visitor="o'brien\\")
                self.assertEqual(first.body, BYTES)
                self.assertEqual(first.reason, "It's \\ done")
                self.assert_problem(self.post(self.binary, visitor="o'brien\\", body=b"other"), 422, "key-reused")
                self.assertEqual(self.records().get().scope, "user:Visitor:o'brien\\")

    def test_expired_request_and_purge(self):
        for mode in MODES:
            with self.under(mode):
                first = self.assert_once()
                self.records().update(expires_at=StoreNow())
                self.assertNotEqual(self.assert_anew().body, first.body)
                self.records().update(expires_at=StoreNow())
                self.assertEqual((requests["default"].expired(), requests["default"].purge(10)), (1, 1))

    def test_lease_with_a_step(self):
        def stepping(request):
            self.assertEqual(request.idempotency.step("charge", lambda key: "o'brien\\"), "o'brien\\")
            with request.idempotency.finishing():
                return self.binary(request)

        for mode in MODES:
            with self.under(mode), self.policy(mode="lease"):
                self.assertEqual(self.assert_once(stepping).body, BYTES)

    def test_mode_that_cannot_keep_an_empty_text_is_an_error_that_names_the_mend(self):
        if not connections["mysql"].mysql_is_mariadb:
            self.skipTest("a mode of MariaDB alone")
        with self.under("EMPTY_STRING_IS_NULL"), self.assertRaisesRegex(InvalidBackend, "'sql_mode' in OPTIONS"):
            self.post(raises=True)
        self.assertEqual((self.effects(), self.records().count()), (0, 0))
        with self.under(""):
            self.assert_once()
