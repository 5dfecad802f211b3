"""The claim on MariaDB and MySQL: every row that is met is marked as repeated, unless it is inserted or renewed.

So the winners are told by the rows themselves. The row count would not do: Django asks for found rows.
"""

from typing import Any, Final
from uuid import UUID

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

NOW: Final = "UTC_TIMESTAMP(6)"
UNTIL: Final = f"{NOW} + INTERVAL %s SECOND"
# digest, ttl, scope, for each row; then ttl
ROW: Final = f"(%s, {NOW}, {UNTIL}, 0, %s)"
# expires_at comes last: MySQL lets a term see what was assigned before it.
CLAIM: Final = f"""
INSERT INTO django_dist_dedupe (digest, claimed_at, expires_at, repeated, scope) VALUES {{rows}}
ON DUPLICATE KEY UPDATE repeated = COALESCE(expires_at > {NOW}, 1),
  claimed_at = IF(expires_at <= {NOW}, {NOW}, claimed_at), result = IF(expires_at <= {NOW}, NULL, result),
  expires_at = IF(expires_at <= {NOW}, {UNTIL}, expires_at)"""
# of MariaDB
RETURNING: Final = "\nRETURNING digest, repeated"
# digests. For MySQL, which has no RETURNING; FOR UPDATE reads the rows as they are, whatever was seen before.
WON: Final = "SELECT digest, repeated FROM django_dist_dedupe WHERE digest IN ({digests}) FOR UPDATE"


def take(cursor: CursorWrapper, digests: list[UUID], scope: str, ttl: float | None) -> set[UUID]:
    """See Take."""
    stored = [_stored(cursor.db, digest) for digest in digests]
    claim = CLAIM.format(rows=", ".join([ROW] * len(stored)))
    values = [value for digest in stored for value in (digest, ttl, scope)] + [ttl]
    if cursor.db.mysql_is_mariadb:
        cursor.execute(claim + RETURNING, values)
    else:
        cursor.execute(claim, values)
        cursor.execute(WON.format(digests=", ".join(["%s"] * len(stored))), stored)
    return {digest if isinstance(digest, UUID) else UUID(digest) for digest, found in cursor.fetchall() if not found}


def _stored(connection: BaseDatabaseWrapper, digest: UUID) -> Any:
    return digest if connection.features.has_native_uuid_field else digest.hex
