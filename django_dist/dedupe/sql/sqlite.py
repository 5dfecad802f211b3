"""The claim on SQLite: one writer at a time, so nothing comes between the look and the write."""

import json
from typing import Final
from uuid import UUID

from django.db.backends.utils import CursorWrapper

NOW: Final = "strftime('%%Y-%%m-%%d %%H:%%M:%%f000', 'now')"
# ttl, scope, digests as JSON: one parameter, however many they are. Without WHERE, ON would be read as that of a join.
CLAIM: Final = f"""
INSERT INTO django_dist_dedupe (digest, claimed_at, expires_at, repeated, scope)
SELECT value, {NOW}, strftime('%%Y-%%m-%%d %%H:%%M:%%f000', 'now', %s || ' seconds'), 0, %s FROM json_each(%s)
WHERE true
ON CONFLICT (digest) DO UPDATE SET claimed_at = excluded.claimed_at, expires_at = excluded.expires_at, result = NULL
WHERE django_dist_dedupe.expires_at <= {NOW}
RETURNING digest"""


def take(cursor: CursorWrapper, digests: list[UUID], scope: str, ttl: float | None) -> set[UUID]:
    """See Take."""
    cursor.execute(CLAIM, [ttl, scope, json.dumps([digest.hex for digest in digests])])
    return {UUID(digest) for (digest,) in cursor.fetchall()}  # to the end: an open statement would hold up the COMMIT
