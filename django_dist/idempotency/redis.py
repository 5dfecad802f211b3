"""Requests recorded in Redis or Valkey, in mode ``lease``, for effects that lie outside the database.

Not safe where Redis loses what it has acknowledged: by a restart without its data, a failover or an eviction.
"""

from typing import ClassVar
from uuid import UUID

from ..exceptions import InvalidBackend
from .base import Attempt, RequestBackend
from .lease import LeaseAttempt
from .redis_leases import RedisLeases

try:
    from ..redis_client import require_django_redis
except ImportError as error:
    raise ImportError(f"install django-dist[redis] ({error})") from error


class RedisRequests(RequestBackend):
    """Keep requests in the Redis of ``connection``, an alias of CACHES made with django-redis; its client is reused.

    The serializer and compressor of that alias are not used; neither is its KEY_PREFIX: keys begin with ``prefix``.
    """

    modes: ClassVar[frozenset[str]] = frozenset({"lease"})
    purges_itself: ClassVar[bool] = True
    diagnosis: ClassVar[str] = "django_dist.diagnosis.redis.examine"

    def __init__(self, *, alias: str, connection: str = "default", prefix: str = "dist:request:") -> None:
        super().__init__(alias=alias)
        require_django_redis(connection, f"DIST_IDEMPOTENCY[{alias!r}]")
        self.leases = RedisLeases(alias, connection, prefix)

    def attempt(self, mode: str = "atomic", max_run: float = 600.0) -> Attempt:
        """See RequestBackend.attempt(); raises InvalidBackend in mode ``atomic``."""
        if mode not in self.modes:
            raise InvalidBackend(
                f"DIST_IDEMPOTENCY[{self.alias!r}] is in Redis, which commits nothing with the view's writes: "
                "set mode='lease' in its POLICY or in the decorator"
            )
        return LeaseAttempt(self.leases, max_run)

    def expired(self) -> int:
        """Return 0, since Redis deletes what expires by itself; raises BackendUnavailable where it does not answer."""
        self.leases.look(UUID(int=0))
        return 0
