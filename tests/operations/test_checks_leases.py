"""The system check of mode lease, and that what it warns of is so."""

from django.core.checks import run_checks
from django.db import connections
from django.http import HttpResponse
from django.test import TransactionTestCase, override_settings
from psycopg import IsolationLevel

from django_dist.testing.case import PATIENCE_S
from django_dist.testing.faults import rerouted
from django_dist.testing.leases import LeaseHarness
from services import needs

from .test_checks import ChecksCase

LEVELS = {IsolationLevel.REPEATABLE_READ: True, IsolationLevel.SERIALIZABLE: True, IsolationLevel.READ_COMMITTED: False}


@needs("postgres")
class IsolationCheckTests(ChecksCase):
    def test_isolation_level_that_refuses_results_is_told(self):
        options = connections["postgres"].settings_dict["OPTIONS"]
        for mode in ("lease", "atomic"):
            policy = {"OPTIONS": {"database": "postgres"}, "POLICY": {"mode": mode}}
            for level, refuses in LEVELS.items():
                changed = {**options, "isolation_level": level}
                with (
                    self.subTest(mode=mode, level=level),
                    override_settings(DIST_IDEMPOTENCY={"default": policy}),
                    rerouted("postgres", OPTIONS=changed),
                ):
                    found = [message for message in self.found() if message.id == "django_dist.W021"]
                    self.assertEqual(len(found), int(refuses and mode == "lease"))
                    self.assertTrue(all(level.name.replace("_", " ") in message.msg for message in found))


class WritesCheckTests(ChecksCase):
    def test_writes_between_steps_are_asked_about_before_a_deployment(self):
        for mode, told in (("lease", 1), ("atomic", 0)):
            for deploy in (True, False):
                policy = {"POLICY": {"mode": mode}}
                with self.subTest(mode=mode, deploy=deploy), override_settings(DIST_IDEMPOTENCY={"default": policy}):
                    found = run_checks(tags=["django_dist"], include_deployment_checks=deploy)
                    ids = [message.id for message in found]
                    self.assertEqual(ids.count("django_dist.I001"), told if deploy else 0)


@needs("postgres")
class IsolationTests(LeaseHarness, TransactionTestCase):
    database = "postgres"

    def test_result_is_refused_after_a_renewal_above_read_committed(self):
        def view(request):
            attempt = self.attempt_of(request)

            def read(key):
                self.effects()
                self.aside(attempt.store.renew, {attempt.digest: attempt.owner}, 60.0).result(PATIENCE_S)

            request.idempotency.step("read", read)
            return HttpResponse(status=201)

        options = connections["postgres"].settings_dict["OPTIONS"]
        for number, (level, refuses) in enumerate(LEVELS.items()):
            with self.subTest(level=level), rerouted("postgres", OPTIONS={**options, "isolation_level": level}):
                self.assertEqual(self.post(view, key=f"{number}" * 32).status, 503 if refuses else 201)
