"""dist_purge on every database: what is over goes, in batches, and nothing else; two at once do no harm."""

import threading
from io import StringIO
from unittest import mock

from django.core.management import CommandError, call_command
from django.db import connections, transaction
from django.test import SimpleTestCase, TransactionTestCase, override_settings
from django.test.utils import CaptureQueriesContext

from django_dist.exceptions import BackendUnavailable
from django_dist.idempotency.base import RequestBackend
from django_dist.management.commands import dist_purge
from django_dist.models import RequestRecord, Sweep
from services import needs

from .records import make


def purge(only="requests", **options):
    """Return what dist_purge writes to stdout and to stderr."""
    out, err = StringIO(), StringIO()
    call_command("dist_purge", only=only, stdout=out, stderr=err, **options)
    return out.getvalue(), err.getvalue()


class PurgeBehaviour:
    database = ""

    def setUp(self):
        entries = {"default": {"OPTIONS": {"database": self.database}}}
        overridden = override_settings(DIST_IDEMPOTENCY=entries)
        overridden.enable()
        self.addCleanup(overridden.disable)

    def make(self, *ages_s):
        return [make(self.database, expired_s=age_s).pk for age_s in ages_s]

    def left(self):
        return set(RequestRecord.objects.using(self.database).values_list("pk", flat=True))

    def test_expired_rows_go_and_live_ones_stay(self):
        _, live, _ = self.make(1, -60, 3600)
        out, err = purge()
        self.assertEqual(self.left(), {live})
        self.assertRegex(out, r"^deleted 2 of 2 expired rows in \d+\.\d s\n$")
        self.assertEqual(err, "")

    def test_batch_takes_the_oldest_and_no_more(self):
        newest, _, _, live = self.make(1, 300, 20, -60)
        expired = RequestRecord.objects.using(self.database).expired()
        self.assertEqual(expired.delete_oldest(2), 2)
        self.assertEqual(self.left(), {newest, live})

    def test_each_batch_is_one_transaction(self):
        self.make(*range(1, 8))
        connection = connections[self.database]
        with CaptureQueriesContext(connection) as queries:
            out, _ = purge(batch=3)
        commits = [query for query in queries.captured_queries if query["sql"] == "COMMIT"]
        self.assertEqual(len(commits), 3)
        self.assertIn("deleted 7 of 7", out)

    def test_each_batch_begins_where_the_one_before_has_ended(self):
        self.make(*range(1, 8))
        expired, sweep = RequestRecord.objects.using(self.database).expired(), Sweep()
        with CaptureQueriesContext(connections[self.database]) as queries:
            self.assertEqual([expired.delete_oldest(3, sweep) for _ in range(2)], [3, 3])
        chosen = [query["sql"] for query in queries.captured_queries if "LIMIT" in query["sql"]]
        bounds = [sql.replace("`", '"').count('"expires_at" >= ') for sql in chosen]
        self.assertEqual(bounds, [0, 1])

    def test_sweep_that_is_over_begins_at_the_oldest_again(self):
        self.make(5, 6)
        expired, sweep = RequestRecord.objects.using(self.database).expired(), Sweep()
        self.assertEqual(expired.delete_oldest(1, sweep), 1)
        older = self.make(300)  # such as one that another purge held, and gave back
        self.assertEqual(expired.delete_oldest(3, sweep), 1)
        self.assertEqual(self.left(), set(older))
        self.assertEqual(expired.delete_oldest(3, sweep), 1)

    def test_dry_run_deletes_nothing(self):
        made = self.make(1, 2)
        self.assertIn("deleted 0 of 2 expired rows", purge(dry_run=True)[0])
        self.assertEqual(self.left(), set(made))

    def test_time_limit_stops_between_batches(self):
        self.make(1, 2, 3)
        self.assertIn("deleted 0 of 3", purge(limit_s=1e-9, batch=1)[0])

    def test_aliases_of_one_database_are_one_store(self):
        self.make(1, 2)
        options = {"OPTIONS": {"database": self.database}}
        with override_settings(DIST_IDEMPOTENCY={"default": options, "again": options}):
            self.assertIn("deleted 0 of 2", purge(dry_run=True)[0])
            self.assertIn("deleted 2 of 2", purge()[0])

    def test_progress_goes_to_stderr_unless_silenced(self):
        self.make(1, 2, 3)
        with mock.patch.object(dist_purge, "TELL_EVERY_S", 0.0):
            _, err = purge(batch=2)
            self.assertRegex(err, r"^2/3 rows, about \d+ s left\n3/3 rows, about 0 s left\n$")
            self.make(1)
            self.assertEqual(purge(verbosity=0)[1], "")


class BesideAnother(PurgeBehaviour):
    """Where rows are locked one by one."""

    def test_rows_that_another_holds_are_skipped_without_waiting(self):
        held, _ = self.make(300, 1)
        written = []
        with transaction.atomic(using=self.database):
            RequestRecord.objects.using(self.database).select_for_update().get(pk=held)
            other = threading.Thread(target=self._purge_and_close, args=(written,))
            other.start()
            other.join(10)
            self.assertFalse(other.is_alive(), "the purge waits for a row that another holds")
        self.assertIn("deleted 1 of 2", written[0])
        self.assertEqual(self.left(), {held})

    def _purge_and_close(self, written):
        try:
            written.append(purge()[0])
        finally:
            connections.close_all()


class SQLiteTests(PurgeBehaviour, TransactionTestCase):
    database = "default"


@needs("postgres")
class PostgreSQLTests(BesideAnother, TransactionTestCase):
    database = "postgres"
    databases = {"default", "postgres"}

    def test_a_batch_is_one_delete_where_the_rows_lie(self):
        self.make(1, 2)
        with CaptureQueriesContext(connections[self.database]) as queries:
            RequestRecord.objects.using(self.database).expired().delete_oldest(10)
        statements = [query["sql"] for query in queries.captured_queries]
        self.assertEqual([sql.split()[0] for sql in statements], ["BEGIN", "WITH", "COMMIT"])
        self.assertIn("ctid = ANY(ARRAY(SELECT", statements[1])


@needs("mysql")
class MariaDBTests(BesideAnother, TransactionTestCase):
    database = "mysql"
    databases = {"default", "mysql"}


class Full(RequestBackend):
    """A store in which one record expires in every instant."""

    modes = frozenset({"atomic"})
    purged = 0

    def attempt(self):
        raise NotImplementedError

    def expired(self):
        return 1

    def purge(self, batch):
        type(self).purged += 1
        if self.purged > 5:
            raise AssertionError("never ends")
        return 1


class Parted(Full):
    """A store whose first batch is more than full, as that of a partitioned table may be."""

    def purge(self, batch):
        return batch + 1 if super().purge(batch) and self.purged == 1 else 2


class Gone(Full):
    """A store that does not answer."""

    def expired(self):
        raise BackendUnavailable("no route to host")


class CommandTests(SimpleTestCase):
    def test_wrong_arguments_are_named(self):
        for name, value in (("batch", 0), ("limit_s", 0.0), ("limit_s", float("nan")), ("only", "request")):
            with self.subTest(name=name), self.assertRaisesMessage(CommandError, f"--{name.replace('_', '-')} must"):
                call_command("dist_purge", **{name: value})

    @override_settings(DIST_IDEMPOTENCY={"default": {"BACKEND": f"{__name__}.Full"}})
    def test_what_expires_meanwhile_is_left_to_the_next_run(self):
        Full.purged = 0
        self.assertIn("deleted 1 of 1", purge(skip_checks=True)[0])

    @override_settings(DIST_IDEMPOTENCY={"default": {"BACKEND": f"{__name__}.Parted"}})
    def test_a_batch_that_is_more_than_full_is_not_the_last(self):
        Parted.purged = 0
        self.assertIn("deleted 13 of 1 ", purge(batch=10)[0])

    @override_settings(
        DIST_IDEMPOTENCY={"default": {"BACKEND": f"{__name__}.Gone"}, "other": {"BACKEND": f"{__name__}.Full"}}
    )
    def test_a_store_that_is_down_is_named_and_the_others_are_purged(self):
        Full.purged, out = 0, StringIO()
        with self.assertRaisesMessage(CommandError, "requests, alias 'default': no route to host"):
            call_command("dist_purge", only="requests", stdout=out)
        self.assertIn("deleted 1 of 1", out.getvalue())
