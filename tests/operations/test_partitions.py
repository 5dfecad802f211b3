"""The table of records in parts, as docs/howto/purging.md sets it up: nothing that is live is purged or run twice."""

import uuid
from datetime import timedelta

import pytest
from django.db import connections, transaction
from django.db.utils import IntegrityError
from django.utils import timezone

from django_dist.idempotency.sql.postgresql import plan
from django_dist.models import RequestRecord
from services import needs

PARTS = """
ALTER TABLE django_dist_request RENAME TO django_dist_request_whole;
CREATE TABLE django_dist_request (LIKE django_dist_request_whole INCLUDING DEFAULTS) PARTITION BY HASH (digest);
ALTER TABLE django_dist_request ADD PRIMARY KEY (digest);
CREATE INDEX ON django_dist_request (expires_at)"""
PART = (
    "CREATE TABLE django_dist_request_{0} PARTITION OF django_dist_request FOR VALUES WITH (MODULUS 4, REMAINDER {0})"
)


def record(age_s: float) -> RequestRecord:
    """Return a record that expired ``age_s`` seconds ago, or will, if it is negative."""
    now = timezone.now()
    digest = uuid.uuid4()
    return RequestRecord(
        digest=digest, fingerprint=digest, created_at=now - timedelta(days=1), expires_at=now - timedelta(seconds=age_s)
    )


@needs("postgres")
@pytest.mark.django_db(databases=["default", "postgres"])
def test_purge_of_a_partitioned_table_leaves_what_is_live() -> None:
    with connections["postgres"].cursor() as cursor:
        cursor.execute("; ".join([PARTS, *(PART.format(number) for number in range(4))]))
    records = RequestRecord.objects.using("postgres")
    records.bulk_create([record(60 if number % 2 else -60) for number in range(400)])
    while records.expired().delete_oldest(50):
        pass
    assert (records.count(), records.expired().count()) == (200, 0)
    twin = records.first()
    with pytest.raises(IntegrityError) as caught, transaction.atomic(using="postgres"):
        twin.save(using="postgres", force_insert=True)
    assert plan.is_duplicate(caught.value)
