"""Mode ``lease`` on Redis and Valkey: each request is one hash, and its owner writes alone, by one script a call.

Not safe where Redis loses what it has acknowledged; see RedisRequests.
"""

import json
from functools import cache
from typing import Any, Final
from uuid import UUID

from django.core.signals import setting_changed

from ..exceptions import BackendUnavailable
from .base import Answer, Claim, Record
from .lease import LeaseStore, Standing
from .redis_scripts import FINISH, HOLD, KEEP, LOOK, RELEASE, RENEW, TAKE, Script

try:
    from django_redis import get_redis_connection
    from redis.exceptions import NoScriptError, RedisError
except ImportError as error:
    raise ImportError(f"install django-dist[redis] ({error})") from error

encoded: Final = json.JSONEncoder(separators=(",", ":")).encode
Value = bytes | int


@cache
def client_of(connection: str) -> Any:
    """Return the client of the primary that django-redis makes for an alias of CACHES.

    It serves all threads. Asked anew, django-redis would make one for each task under ASGI.
    """
    return get_redis_connection(connection, write=True)


def _forget(*, setting: str, **_: Any) -> None:
    if setting == "CACHES":
        client_of.cache_clear()


setting_changed.connect(_forget)


class RedisLeases(LeaseStore):
    """Keep claims, steps and answers in the Redis of ``connection``; one round trip a method."""

    def __init__(self, alias: str, connection: str, prefix: str) -> None:
        self.alias, self.connection, self._prefix = alias, connection, prefix

    @property
    def client(self) -> Any:
        """The client of the primary."""
        return client_of(self.connection)

    def key(self, digest: UUID) -> bytes:
        """Return the key of ``digest``; the braces keep what belongs to it in one slot of a cluster."""
        return f"{self._prefix}{{{digest.hex}}}".encode()

    def take(self, claim: Claim, owner: UUID) -> Standing:
        """See LeaseStore.take(). Sent twice by a client that retries, it is one claim."""
        binding = claim.binding.hex.encode() if claim.binding else b""
        asked = [claim.fingerprint.hex.encode(), binding, claim.scope[:200].encode(), claim.view[:200].encode()]
        found = self._run(TAKE, claim.digest, owner, _ms(claim.lease), _ms(claim.ttl), *asked)
        if found == 1:
            return Standing(owner, False, False, Record(claim.fingerprint, claim.binding, None), None, claim.lease)
        return _standing(found)

    def keep(self, claim: Claim, owner: UUID, steps: str | None) -> bool:
        """See LeaseStore.keep()."""
        written = [] if steps is None else [steps.encode()]
        return bool(self._run(KEEP, claim.digest, owner, _ms(claim.lease), *written))

    def finish(self, claim: Claim, owner: UUID, answer: Answer) -> bool:
        """See LeaseStore.finish(). What Redis says only after the line to it is lost is unknown."""
        headers, reason = encoded(answer.headers).encode(), answer.reason[:200].encode()
        told: list[Value] = [b"status", answer.status, b"reason", reason, b"headers", headers]
        body: list[Value] = [] if answer.body is None else [b"body", answer.body]
        return bool(self._run(FINISH, claim.digest, owner, _ms(claim.ttl), *told, *body, committing=True))

    def look(self, digest: UUID) -> Standing | None:
        """See LeaseStore.look()."""
        found = self._run(LOOK, digest)
        return _standing(found) if found else None

    def release(self, claim: Claim, owner: UUID, steps: str | None) -> None:
        """See LeaseStore.release()."""
        self._run(RELEASE, claim.digest, owner, *([] if steps is None else [steps.encode()]))

    def hold(self, claim: Claim, owner: UUID, steps: str, why: str) -> bool:
        """See LeaseStore.hold(). It stays until its key is deleted: it expires no more."""
        return bool(self._run(HOLD, claim.digest, owner, steps.encode(), why[:200].encode()))

    def renew(self, owners: dict[UUID, UUID], lease: float) -> None:
        """See LeaseStore.renew(); one round trip for all of them."""
        try:
            pipeline = self.client.pipeline(transaction=False)
            for digest, owner in owners.items():
                pipeline.execute_command("EVAL", RENEW.text, 1, self.key(digest), owner.hex, _ms(lease))
            pipeline.execute()
        except RedisError as error:
            raise self._unavailable(error) from error

    def _run(
        self, script: Script, digest: UUID, owner: UUID | None = None, *values: Value, committing: bool = False
    ) -> Any:
        given = [self.key(digest), *([owner.hex.encode()] if owner else []), *values]
        try:
            try:
                return self._send("EVALSHA", script.sha, given)
            except NoScriptError:  # a server that was started since, or another one
                return self._send("EVAL", script.text, given)
        except RedisError as error:
            raise self._unavailable(error, committing=committing) from error

    def _send(self, command: str, script: str, given: list[Value]) -> Any:
        # NEVER_DECODE: an answer is bytes, whatever decode_responses of the alias says.
        return self.client.execute_command(command, script, 1, *given, NEVER_DECODE=True)

    def _unavailable(self, error: RedisError, *, committing: bool = False) -> BackendUnavailable:
        message = f"Redis of CACHES[{self.connection!r}] did not answer for a lease: {error}"
        return BackendUnavailable(message, committing=committing)


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1000))


def _standing(found: list[Any]) -> Standing:
    """Read what ROW returns."""
    state, owner, fingerprint, binding, steps, status, reason, headers, body, left = found
    finished = state == b"finished"
    answer = Answer(int(status), reason.decode(), json.loads(headers.decode()), body) if finished else None
    record = Record(_uuid(fingerprint), _uuid(binding) if binding else None, answer)
    holder = _uuid(owner) if owner and state == b"running" else None
    return Standing(
        holder, finished, state == b"held", record, steps.decode() if steps else None, int(left or 0) / 1000
    )


def _uuid(digits: bytes) -> UUID:
    return UUID(int=int(digits, 16))
