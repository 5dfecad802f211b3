"""Requests kept in Redis or Valkey, under a prefix of each test's own."""

import uuid
from contextlib import contextmanager
from unittest.mock import patch

from django.core.cache import caches
from redis.asyncio.connection import Connection as AsyncConnection
from redis.connection import Connection


class RedisHarness:
    """Mixed in before a suite; ``connection`` is an alias of CACHES."""

    connection = "redis"
    commits_writes = False

    def setUp(self):
        self.prefix = f"test:{uuid.uuid4()}:"
        super().setUp()
        self.addCleanup(self.forget)

    def store(self):
        return {
            "BACKEND": "django_dist.idempotency.redis.RedisRequests",
            "OPTIONS": {"connection": self.connection, "prefix": self.prefix},
        }

    @property
    def server(self):
        return caches[self.connection].client.get_client(write=True)

    def keys(self):
        return list(self.server.scan_iter(f"{self.prefix}*"))

    def forget(self):
        for key in self.keys():
            self.server.delete(key)


@contextmanager
def sent():
    """Give the list of what is sent to any Redis meanwhile, a round trip an entry."""
    seen = []

    def noting(send):
        def note(self, command, *args, **keywords):
            seen.append(command if isinstance(command, bytes) else b"".join(command))
            return send(self, command, *args, **keywords)

        return note

    kinds = (Connection, AsyncConnection)
    patches = [patch.object(each, "send_packed_command", noting(each.send_packed_command)) for each in kinds]
    with patches[0], patches[1]:
        yield seen
