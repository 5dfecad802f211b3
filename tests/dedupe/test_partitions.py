"""The dedupe table in parts by hash, as docs/howto/purging.md sets it up: claims, renewals and purge are as before."""

import pytest
from django.db import connections, transaction

from django_dist.clock import StoreNow
from django_dist.dedupe import claim_many
from django_dist.dedupe.entries import DedupeEntries
from django_dist.models import DedupeEntry
from services import needs

PARTS = """
ALTER TABLE django_dist_dedupe RENAME TO django_dist_dedupe_whole;
CREATE TABLE django_dist_dedupe (LIKE django_dist_dedupe_whole INCLUDING DEFAULTS) PARTITION BY HASH (digest);
ALTER TABLE django_dist_dedupe ADD PRIMARY KEY (digest);
CREATE INDEX ON django_dist_dedupe (expires_at)"""
PART = "CREATE TABLE django_dist_dedupe_{0} PARTITION OF django_dist_dedupe FOR VALUES WITH (MODULUS 4, REMAINDER {0})"


@needs("postgres")
@pytest.mark.django_db(databases=["default", "postgres"])
def test_claims_and_purge_of_a_partitioned_table_are_as_before() -> None:
    with connections["postgres"].cursor() as cursor:
        cursor.execute("; ".join([PARTS, *(PART.format(number) for number in range(4))]))
    keys = list(range(200))
    with transaction.atomic(using="postgres"):
        assert claim_many("mail", keys, ttl=60, using="postgres") == set(keys)
        assert claim_many("mail", keys, using="postgres") == set()
        DedupeEntry.objects.using("postgres").update(expires_at=StoreNow())
        assert claim_many("mail", keys[:50], ttl=60, using="postgres") == set(keys[:50])
        assert claim_many("mail", [0], using="postgres") == set()
    entries = DedupeEntries("postgres")
    assert entries.expired() == 150
    while entries.purge(20):
        pass
    assert DedupeEntry.objects.using("postgres").count() == 50
