"""The system checks of DIST_LOCKS."""

import os
from unittest import mock

from django.core.checks import run_checks
from django.test import SimpleTestCase, override_settings

MEMORY = "django_dist.locks.memory.MemoryLocks"


class CheckTests(SimpleTestCase):
    def found(self, number):
        return [message.msg for message in run_checks() if message.id == f"django_dist.{number}"]

    def test_what_a_setting_names_wrongly_is_told_at_start(self):
        for wrong, told in (
            ({"default": {"BACKEND": "no.such.Locks"}}, "'no.such.Locks' cannot be imported"),
            ({"default": {"OPTIONS": {"prefx": 1}}}, "unknown OPTIONS ['prefx']"),
            ({"default": {"OPTIONS": {"database": "nowhere"}}}, "database 'nowhere'"),
            ({"other": {"BACKED": MEMORY}}, "unknown entries ['BACKED']"),
            ([MEMORY], "must be a dict"),
        ):
            with self.subTest(told), override_settings(DIST_LOCKS=wrong):
                (message,) = self.found("E051")
                self.assertIn("DIST_LOCKS", message)
                self.assertIn(told, message)
        self.assertEqual(self.found("E051"), [])

    def test_locks_of_one_process_are_told_where_there_are_several(self):
        for backend, workers, told in ((MEMORY, "2", 1), (MEMORY, "1", 0), ("", "2", 0)):
            entry = {"BACKEND": backend} if backend else {}
            with override_settings(DIST_LOCKS={"default": entry}), mock.patch.dict(os.environ, WEB_CONCURRENCY=workers):
                self.assertEqual(len(self.found("W051")), told)
