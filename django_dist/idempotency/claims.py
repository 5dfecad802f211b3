"""What a request asks of the store, and whether the record that stands answers it. No store is asked here."""

from typing import Any, Final

from django.http import HttpRequest

from ..exceptions import AnswerNotKept, CredentialsDiffer, KeyMissing, KeyReused, OutcomeHeld
from .base import Claim, Record
from .digests import digest_of
from .fingerprint import fingerprint_of
from .kept import kept_of
from .keys import EXAMPLE, header_value, parse_key
from .own import Idempotency
from .policy import Policy
from .scope import NOBODY, binding_of, is_bound, scope_of

MISSING: Final = 'The header {0} is required. Example: {0}: "' + EXAMPLE + '"'


def claim_of(request: HttpRequest, own: Idempotency, user: Any, policy: Policy, view: str) -> Claim | None:
    """Return what ``request`` asks of the store, and tell ``own`` of it; None without a key.

    Raises KeyMissing and KeyMalformed.
    """
    found = header_value(request, policy.header)
    if found is None:
        if policy.required:
            raise KeyMissing(MISSING.format(policy.header[0]))
        return None
    key = parse_key(*found, policy.key_format)
    if own.resumed is not None:
        own.key = key
        return own.resumed.claimed
    label, space = scope_of(request, user, policy)
    own.key, own.digest = key, digest_of(["request", space, key])
    return Claim(
        digest=own.digest,
        fingerprint=fingerprint_of(request, policy),
        binding=binding_of(request, policy) if label == NOBODY else None,
        scope=label,
        view=view,
        ttl=float(policy.ttl),
        wait=float(policy.wait),
        lease=float(policy.lease),
        kept=kept_of(request, user, label, policy, view),
    )


def checked(found: Record, claim: Claim, request: HttpRequest, policy: Policy) -> Record:
    """Return ``found`` if it answers ``claim``.

    Raises KeyReused, CredentialsDiffer, OutcomeHeld and AnswerNotKept.
    """
    if found.fingerprint != claim.fingerprint:
        raise KeyReused("The key was used before, with another method, host, path, query or body.")
    if found.binding != claim.binding and not is_bound(found.binding, request, policy):
        raise CredentialsDiffer("The key was used before, by somebody with other credentials.")
    if found.answer is None:
        raise OutcomeHeld("An earlier try ended and nobody knows whether it took effect; an operator decides.")
    if found.answer.body is None:
        raise AnswerNotKept("The request took effect. Its answer was too long to keep; read the result anew.")
    return found
