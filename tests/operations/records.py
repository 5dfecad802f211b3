"""Records put straight into a store's database, however old they are to be."""

import uuid
from datetime import timedelta

from django_dist.clock import StoreNow
from django_dist.idempotency.digests import digest_of
from django_dist.models import RequestRecord


def make(database="default", *, expired_s=0.0, **fields):
    """Record a finished request that expired ``expired_s`` seconds ago by the store's clock (below 0: will expire)."""
    digest = fields.pop("digest", None) or digest_of([uuid.uuid4().bytes])
    values = {"fingerprint": digest, "scope": "user:auth.user:7", "view": "shop.order", "status": 201, **fields}
    record = RequestRecord(digest=digest, created_at=StoreNow(), expires_at=StoreNow(), **values)
    record.save(using=database, force_insert=True)
    rows = RequestRecord.objects.using(database).filter(pk=digest)
    now = rows.values_list("expires_at", flat=True).get()
    rows.update(expires_at=now - timedelta(seconds=expired_s), created_at=now - timedelta(seconds=expired_s + 60))
    return rows.get()
