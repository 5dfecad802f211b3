"""The command dist_doctor: its table, its findings with their mends, and its exit status."""

from io import StringIO
from unittest import mock

from django.core.management import CommandError, call_command
from django.db import connections
from django.test import SimpleTestCase, TransactionTestCase, override_settings

from django_dist.idempotency.calls import SOURCES
from django_dist.idempotency.policy import PolicySource
from django_dist.management.commands.dist_doctor import Command
from django_dist.models import RequestRecord
from services import needs

from .records import make

DAY_S = 86_400


def doctor():
    """Return what dist_doctor prints, and its exit status."""
    out = StringIO()
    try:
        call_command("dist_doctor", stdout=out, no_color=True)
    except CommandError as error:
        return f"{out.getvalue()}{error}", error.returncode
    return out.getvalue(), 0


class CommandTests(TransactionTestCase):
    def test_sound_store_is_a_line_and_status_0(self):
        out, status = doctor()
        self.assertEqual(status, 0, out)
        self.assertRegex(out, r"setting +alias +backend +database +server +round trip\n")
        line = r"DIST_IDEMPOTENCY +default +DatabaseRequests +default +SQLite 3\.[\d.]+ +\d+\.\d\d ms\n"
        self.assertRegex(out, line)
        self.assertIn("1 store, 0 wrong, 0 advice", out)

    def test_advice_alone_is_status_0(self):
        make(expired_s=3 * DAY_S)
        out, status = doctor()
        self.assertEqual(status, 0, out)
        self.assertIn("advice  default: 1 expired rows wait", out)
        self.assertIn("mend: run manage.py dist_purge", out)

    def test_policy_of_a_view_is_measured_against_its_store(self):
        SOURCES.append(PolicySource("@idempotent of shop.order", {"wait": 3600}))
        self.addCleanup(SOURCES.pop)
        self.assertIn("timeout is 20 s and repeats wait 3600 s", doctor()[0])

    def test_missing_table_is_status_1_with_its_mend(self):
        with connections["default"].schema_editor() as editor:
            editor.delete_model(RequestRecord)
        self.addCleanup(self._make_table)
        out, status = doctor()
        self.assertEqual(status, 1, out)
        self.assertIn("wrong  default: table django_dist_request is missing", out)
        self.assertIn("mend: run: manage.py migrate django_dist --database default", out)
        self.assertIn("1 store, 1 wrong, 0 advice", out)

    def _make_table(self):
        with connections["default"].schema_editor() as editor:
            editor.create_model(RequestRecord)

    @override_settings(DIST_IDEMPOTENCY={"default": {}, "broken": {"OPTIONS": {"datbase": "x"}}})
    def test_store_that_cannot_be_built_is_told_beside_the_others(self):
        self.assertEqual(Command.requires_system_checks, [])  # E001 would end any other command
        out, status = doctor()
        self.assertEqual(status, 1, out)
        self.assertIn("wrong  broken: DIST_IDEMPOTENCY['broken']: unknown OPTIONS ['datbase']", out)
        self.assertIn("SQLite", out)


@needs("postgres")
@override_settings(DIST_IDEMPOTENCY={"default": {"OPTIONS": {"database": "postgres"}}})
class UnreachableTests(SimpleTestCase):
    databases = {"postgres"}

    def test_server_that_does_not_answer_is_wrong(self):
        connection = connections["postgres"]
        connection.close()
        with mock.patch.dict(connection.settings_dict, {"HOST": "127.0.0.1", "PORT": "1"}):
            out, status = doctor()
        self.assertEqual(status, 1, out)
        self.assertIn("wrong  default: the store does not answer: ", out)
        self.assertIn("port 1 failed", out)
