"""The claim on PostgreSQL: insert, or renew what is expired, in the order of the digests.

What is seen to be live is left out before the INSERT, for ON CONFLICT DO UPDATE locks the row that it
meets even where its WHERE refuses it. DO NOTHING and an UPDATE beside it would miss a row that a purge deletes
in between, and lose a message. What it takes to plan all that is spared by preparing it.
"""

from typing import Final
from uuid import UUID

from django.db.backends.utils import CursorWrapper

from ...prepared import PreparedStatements

INTO: Final = "INSERT INTO django_dist_dedupe AS entry (digest, claimed_at, expires_at, repeated, scope)"
# ttl, scope. By the clock of this very instant: now() stands still in a transaction.
VALUES: Final = "clock_timestamp(), clock_timestamp() + make_interval(secs => %s), false, %s::varchar"
# digest
LIVE: Final = """SELECT FROM django_dist_dedupe AS live
  WHERE live.digest = {digest} AND (live.expires_at <= clock_timestamp()) IS NOT TRUE"""
RENEW: Final = """
ON CONFLICT (digest) DO UPDATE SET claimed_at = excluded.claimed_at, expires_at = excluded.expires_at, result = NULL
WHERE entry.expires_at <= clock_timestamp()
RETURNING digest"""
# ttl, scope, digest. The other one would do, and costs a quarter more.
CLAIM: Final = f"""{INTO}
SELECT asked.digest, {VALUES}
FROM (SELECT %s::uuid AS digest) AS asked
WHERE NOT EXISTS ({LIVE.format(digest="asked.digest")}){RENEW}"""
# ttl, scope, digests
CLAIM_MANY: Final = f"""{INTO}
SELECT asked.digest, {VALUES}
FROM unnest(%s::uuid[]) AS asked (digest)
WHERE NOT EXISTS ({LIVE.format(digest="asked.digest")})
ORDER BY asked.digest{RENEW}"""


SAVEPOINT: Final = "django_dist_claim"
prepared: Final = PreparedStatements("django_dist_dedupe", claim=CLAIM)


def take(cursor: CursorWrapper, digests: list[UUID], scope: str, ttl: float | None) -> set[UUID]:
    """See Take."""
    if len(digests) == 1:
        won = prepared.row(cursor, CLAIM, [ttl, scope, digests[0]], SAVEPOINT)
        return set() if won is None else {won[0]}
    cursor.execute(CLAIM_MANY, [ttl, scope, digests])
    return {digest for (digest,) in cursor.fetchall()}
