"""What a plan does on every database: two statements around the view, in one transaction with it."""

import json
from abc import ABC, abstractmethod
from typing import Any
from uuid import UUID

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from ...exceptions import RequestInProgress
from ...models import RequestRecord
from ..base import Answer, Claim, Record

TABLE = "django_dist_request"
encoded_headers = json.JSONEncoder(separators=(",", ":")).encode
# What a look-up returns, in this order.
FOUND = "state, fingerprint, binding, status, reason, headers, body"
# plain integers: drivers take their time over an enumeration
RUNNING, FINISHED, TOMBSTONE, HELD = (int(state) for state in RequestRecord.State)


class Plan(ABC):
    """The statements of one database, sent by one cursor a request. A plan keeps nothing: all threads share it."""

    @abstractmethod
    def claim(self, cursor: CursorWrapper, claim: Claim, *, joined: bool) -> Record | None:
        """Hold the digest until the transaction ends, and return the record that stands, if any.

        ``joined``: the transaction is ours and nothing else is open in it, so BEGIN may travel along.
        Raises RequestInProgress after ``claim.wait`` seconds.
        """

    def count(self, cursor: CursorWrapper, claim: Claim, *, joined: bool) -> None:
        """Count a replay, where claim() has not; ``joined`` as in record()."""

    @abstractmethod
    def record(self, cursor: CursorWrapper, claim: Claim, answer: Answer, *, joined: bool) -> None:
        """Write the record. Raises DatabaseError; see is_duplicate().

        ``joined``: the transaction is ours and nothing else is open in it, so COMMIT may travel along.
        """

    @abstractmethod
    def is_duplicate(self, error: DatabaseError) -> bool:
        """Return whether ``error`` says that the record itself exists, not some row of the view's."""

    def passes(self, connection: BaseDatabaseWrapper, error: DatabaseError, left: float) -> bool:
        """Return whether a claim that failed with ``error`` may begin anew, with ``left`` seconds to wait."""
        return False

    def is_aborted(self, connection: BaseDatabaseWrapper) -> bool:
        """Return whether an error that the view swallowed has ended the transaction."""
        return False

    def is_lost(self, connection: BaseDatabaseWrapper) -> bool:
        """Return whether the server has ended the session, or the line to it is cut."""
        return False

    def is_busy(self, error: DatabaseError) -> bool:
        """Return whether ``error``, raised by a claim, says that somebody else is at work."""
        return False


def stored(connection: BaseDatabaseWrapper, digest: UUID | None) -> Any:
    """Return ``digest`` as a parameter for ``connection``."""
    return digest if connection.features.has_native_uuid_field or digest is None else digest.hex


def columns(connection: BaseDatabaseWrapper, claim: Claim, answer: Answer) -> list[Any]:
    """Return the values of a finished record: digest, fingerprint, binding, scope, view, state to body, ttl."""
    return [
        stored(connection, claim.digest),
        stored(connection, claim.fingerprint),
        stored(connection, claim.binding),
        claim.scope[:200],
        claim.view[:200],
        TOMBSTONE if answer.body is None else FINISHED,
        answer.status,
        answer.reason[:200],
        encoded_headers(answer.headers),
        answer.body,
        claim.ttl,
    ]


def to_record(row: tuple[Any, ...]) -> Record:
    """Return the record that a row of FOUND holds; raises RequestInProgress where mode ``lease`` is at work."""
    state, fingerprint, binding, status, reason, headers, body = row
    if state == RUNNING:
        raise RequestInProgress("the first request with this key still runs", retry_after=1)
    if state == HELD:
        return Record(_uuid(fingerprint), None if binding is None else _uuid(binding), None)
    answer = Answer(status, reason, json.loads(headers), None if body is None else bytes(body))
    return Record(_uuid(fingerprint), None if binding is None else _uuid(binding), answer)


def _uuid(value: Any) -> UUID:
    return value if isinstance(value, UUID) else UUID(str(value))
