"""dist_purge and the dedupe entries: of the router's database, and of each that is named."""

from io import StringIO

from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import TransactionTestCase

from django_dist.clock import StoreNow
from django_dist.dedupe import claim_many
from django_dist.models import DedupeEntry
from operations.records import make
from services import needs


def fill(using="default"):
    """Leave two expired entries, a live one and one that counts for ever."""
    with transaction.atomic(using=using):
        claim_many("mail", ["a", "b"], ttl=60, using=using)
        DedupeEntry.objects.using(using).update(expires_at=StoreNow())
        claim_many("mail", ["c"], ttl=60, using=using)
        claim_many("mail", ["d"], using=using)


def purge(**options):
    """Return what dist_purge writes."""
    out = StringIO()
    call_command("dist_purge", stdout=out, **options)
    return out.getvalue()


class PurgeTests(TransactionTestCase):
    def test_only_dedupe_leaves_the_requests(self):
        fill()
        make(expired_s=60)
        self.assertIn("deleted 2 of 2 ", purge(only="dedupe", batch=1))
        self.assertIn("deleted 1 of 1 ", purge(only="requests"))
        self.assertEqual(DedupeEntry.objects.count(), 2)

    def test_all_is_purged_by_default(self):
        fill()
        make(expired_s=60)
        self.assertIn("deleted 0 of 3 ", purge(dry_run=True))
        self.assertIn("deleted 3 of 3 ", purge())

    def test_unknown_database_is_named(self):
        with self.assertRaisesMessage(CommandError, "--database must be one of"):
            purge(database=["nowhere"])


@needs("postgres")
class FurtherDatabaseTests(TransactionTestCase):
    databases = {"default", "postgres"}

    def test_further_database_is_purged_when_it_is_named(self):
        fill("default")
        fill("postgres")
        self.assertIn("deleted 2 of 2 ", purge(only="dedupe"))
        self.assertIn("deleted 2 of 2 ", purge(only="dedupe", database=["postgres"]))
        self.assertEqual(DedupeEntry.objects.using("postgres").count(), 2)
