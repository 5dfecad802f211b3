"""The locks that benchmarks/locks.py measures: raw statements, ours, and the peers; each makes its clients itself."""

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib.util import find_spec
from typing import Any, Final
from uuid import uuid4

import psycopg
import redis
from django.db import connection, transaction

from django_dist.locks import lock

Hold = Callable[[], AbstractContextManager[Any]]
NAME, TTL_S, WAIT_S = "the lock", 10, 60
DELETE_MINE: Final = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"
UPSERT: Final = """
INSERT INTO raw_lock AS held (name, owner, fence, ends) VALUES (%s, %s, 1, clock_timestamp() + interval '10 s')
ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, fence = held.fence + 1, ends = excluded.ends
WHERE held.owner IS NULL OR held.ends < clock_timestamp() RETURNING fence"""
FREE: Final = "UPDATE raw_lock SET owner = NULL WHERE name = %s AND fence = %s"


def ours(alias: str) -> Hold:
    """Return our lock of an alias."""
    return lambda: lock(NAME, ttl=TTL_S, wait=WAIT_S, using=alias)


def ours_inside(alias: str) -> Hold:
    """Return our lock, taken inside of a transaction."""

    @contextmanager
    def hold() -> Any:
        with transaction.atomic(), lock(NAME, ttl=TTL_S, wait=WAIT_S, using=alias) as lease:
            yield lease

    return hold


def raw_redis(url: str) -> Hold:
    """Return SET NX and a DEL of one's own, which wait for nobody."""
    client = redis.Redis.from_url(url)
    delete = client.register_script(DELETE_MINE)

    @contextmanager
    def hold() -> Any:
        owner = uuid4().hex
        client.set("raw lock", owner, nx=True, px=TTL_S * 1000)
        yield
        delete(keys=["raw lock"], args=[owner])

    return hold


def raw_lease(url: str) -> Hold:
    """Return an upsert and an update by psycopg, each a commit, which wait for nobody."""
    raw = psycopg.connect(url, autocommit=True)
    raw.execute(
        "CREATE TABLE IF NOT EXISTS raw_lock (name text PRIMARY KEY, owner text, fence bigint, ends timestamptz)"
    )

    @contextmanager
    def hold() -> Any:
        row = raw.execute(UPSERT, [NAME, uuid4().hex]).fetchone()
        yield
        raw.execute(FREE, [NAME, row and row[0]])

    return hold


def raw_advisory(url: str) -> Hold:
    """Return an advisory lock of a session, by psycopg: two round trips."""
    raw = psycopg.connect(url, autocommit=True)

    @contextmanager
    def hold() -> Any:
        raw.execute("SELECT pg_advisory_lock(7)")
        yield
        raw.execute("SELECT pg_advisory_unlock(7)")

    return hold


def raw_transaction(url: str) -> Hold:
    """Return an advisory lock of a transaction, by Django's connection."""

    @contextmanager
    def hold() -> Any:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(8)")
            yield

    return hold


def for_update(url: str) -> Hold:
    """Return the lock of a row, by psycopg."""
    raw = psycopg.connect(url, autocommit=True)
    raw.execute("CREATE TABLE IF NOT EXISTS raw_row (id int PRIMARY KEY)")
    raw.execute("INSERT INTO raw_row VALUES (1) ON CONFLICT DO NOTHING")

    @contextmanager
    def hold() -> Any:
        with raw.transaction():
            raw.execute("SELECT 1 FROM raw_row WHERE id = 1 FOR UPDATE")
            yield

    return hold


def redis_py(url: str) -> Hold:
    """Return redis-py's lock."""
    client = redis.Redis.from_url(url)
    return lambda: client.lock("redis-py lock", timeout=TTL_S, blocking_timeout=WAIT_S)


def python_redis_lock(url: str) -> Hold:
    """Return python-redis-lock's."""
    import redis_lock

    client = redis.Redis.from_url(url)
    return lambda: redis_lock.Lock(client, "prl", expire=TTL_S)  # type: ignore[no-any-return]


def tooz(url: str) -> Hold:
    """Return tooz's, of the store that ``url`` names."""
    from tooz import coordination

    coordinator = coordination.get_coordinator(url, uuid4().hex.encode())
    coordinator.start(start_heart=True)
    return lambda: coordinator.get_lock(b"tooz lock")  # type: ignore[no-any-return]


def pgware(url: str) -> Hold:
    """Return django-pgware's."""
    from django_pg_utils.locks import advisory_lock

    return lambda: advisory_lock("pgware lock")  # type: ignore[no-any-return]


def kazoo(hosts: str) -> Hold:
    """Return kazoo's."""
    from kazoo.client import KazooClient

    client = KazooClient(hosts=hosts)
    client.start()
    return lambda: client.Lock("/bench/kazoo")  # type: ignore[no-any-return]


def makers(postgres: str, store: str, zookeeper: str | None) -> dict[str, Callable[[], Hold]]:
    """Return what makes each subject that can run here, in the process that it is called in."""
    found: dict[str, Callable[[], Hold]] = {
        "raw Redis: SET NX, DEL": lambda: raw_redis(store),
        "ours: RedisLocks": lambda: ours("redis"),
        "redis-py": lambda: redis_py(store),
        "raw lease: upsert, update": lambda: raw_lease(postgres),
        "ours: DatabaseLocks": lambda: ours("default"),
        "raw advisory, of a session": lambda: raw_advisory(postgres),
        "raw advisory, of a transaction": lambda: raw_transaction(postgres),
        "ours: AdvisoryLocks inside atomic()": lambda: ours_inside("advisory"),
        "ours: AdvisoryLocks": lambda: ours("advisory"),
        "FOR UPDATE": lambda: for_update(postgres),
    }
    if find_spec("redis_lock"):
        found["python-redis-lock"] = lambda: python_redis_lock(store)
    if find_spec("tooz"):
        found["tooz, Redis"] = lambda: tooz(store)
    if find_spec("tooz") and find_spec("psycopg2"):
        found["tooz, PostgreSQL"] = lambda: tooz(postgres)
    if find_spec("django_pg_utils"):
        found["django-pgware"] = lambda: pgware(postgres)
    if zookeeper and find_spec("kazoo"):
        found["ours: ZooKeeperLocks"] = lambda: ours("zookeeper")
        found["kazoo"] = lambda: kazoo(zookeeper)
    return found


def entered(hold: Hold) -> ExitStack:
    """Return a stack that holds the lock."""
    stack = ExitStack()
    stack.enter_context(hold())
    return stack
