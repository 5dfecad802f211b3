"""Checks of Redis and Valkey: what is forgotten, and when. A user who may not ask is told so, and what is not known."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final
from uuid import UUID

from ..exceptions import BackendUnavailable, SessionStoreUnavailable
from ..idempotency.policy import Policy
from ..idempotency.redis import RedisRequests
from .base import Finding, Report, advice, median_ms, unanswered, wrong

try:
    from redis.exceptions import RedisError, ResponseError
except ImportError as error:
    raise ImportError(f"install django-dist[redis] ({error})") from error

MINIMUM: Final = (6, 2)
LATE_S: Final = 10  # the server's own default of min-replicas-max-lag
RUNS_AGAIN: Final = "a request whose claim is forgotten runs again"
LOGGED_OUT: Final = "who is forgotten is logged out, and who has logged out may be in again"


@dataclass(frozen=True)
class Subject:
    """A Redis that keeps requests or sessions, and the policies of the views whose requests it keeps."""

    client: Any
    policies: tuple[Policy, ...]
    then: str = RUNS_AGAIN  # what it means that something is forgotten

    @cached_property
    def info(self) -> dict[str, Any]:
        """What INFO says; nothing where it is forbidden."""
        try:
            return dict(self.client.info())
        except ResponseError:  # an ACL, or a managed service that has renamed it
            return {}

    def setting(self, name: str) -> str | None:
        """Return what CONFIG GET says; None where it is forbidden."""
        try:
            found = self.client.config_get(name)
        except ResponseError:
            return None
        text = next(iter(found.values()), None)
        return text.decode() if isinstance(text, bytes) else text


Check = Callable[[Subject], Iterator[Finding]]


def allowed(subject: Subject) -> Iterator[Finding]:
    """The user may ask how the server is set."""
    unknown = {
        "INFO": None if subject.info else "version, role and replicas",
        "CONFIG GET": None if subject.setting("appendfsync") else "appendfsync and min-replicas-to-write",
    }
    for command, what in unknown.items():
        if what:
            yield advice(
                f"{command} is forbidden or tells nothing: {what} are not known",
                "ACL SETUSER ... +info +config|get, or look it up where the service is managed",
            )


def version(subject: Subject) -> Iterator[Finding]:
    """The server is one that is tested."""
    found = str(subject.info.get("redis_version", ""))  # Valkey's is that of the Redis it is compatible with
    if found and tuple(map(int, found.split(".")[:2])) < MINIMUM:
        yield wrong(f"Redis is {found}, below 6.2", "upgrade the server")


def write_server(subject: Subject) -> Iterator[Finding]:
    """Records are kept where they are written: a replica takes none."""
    if subject.info.get("role") == "slave":
        yield wrong("this is a replica", "let the first LOCATION of the alias in CACHES be the primary")


def append_only(subject: Subject) -> Iterator[Finding]:
    """What was acknowledged outlives a restart."""
    kept = subject.info.get("aof_enabled", subject.setting("appendonly"))
    if kept is None:
        yield advice("appendonly is not known: where it is off, a restart forgets what was acknowledged", "look it up")
    elif str(kept) in ("0", "no"):
        yield wrong(
            f"appendonly is off: a restart forgets what was acknowledged; {subject.then}",
            "set appendonly yes, by CONFIG SET and in the server's file",
        )


def written_out(subject: Subject) -> Iterator[Finding]:
    """What was acknowledged outlives a loss of power."""
    lost = {"everysec": "up to 2 s of what was acknowledged", "no": "what the system had not yet written, often 30 s"}
    if (what := lost.get(subject.setting("appendfsync") or "")) is not None:
        yield advice(
            f"appendfsync is {subject.setting('appendfsync')}: a loss of power forgets {what}; {subject.then}",
            "set appendfsync always where that matters; each round trip then waits for the disk",
        )


def eviction(subject: Subject) -> Iterator[Finding]:
    """No record goes before its time."""
    policy = subject.info.get("maxmemory_policy", subject.setting("maxmemory-policy"))
    if policy is None:
        yield advice("maxmemory-policy is not known: any but noeviction forgets records", "look it up")
    elif policy != "noeviction":
        limit = subject.info.get("maxmemory")
        when = "as soon as maxmemory is set (it is 0 now)" if limit == 0 else "when memory is short"
        yield wrong(
            f"maxmemory-policy is {policy}: records are evicted {when}; {subject.then}",
            "set maxmemory-policy noeviction; give the cache a Redis of its own",
        )


def replicas(subject: Subject) -> Iterator[Finding]:
    """A replica that is promoted has what was acknowledged."""
    end = int(subject.info.get("master_repl_offset", 0))
    for replica in (found for name, found in subject.info.items() if re.fullmatch(r"slave\d+", name)):
        state, heard_s = replica.get("state"), int(replica.get("lag", 0))
        late = state != "online" or heard_s > LATE_S
        yield advice(
            f"replica {replica.get('ip')}:{replica.get('port')} ({state}, last heard {heard_s} s ago, "
            f"{max(0, end - int(replica.get('offset', 0)))} bytes behind) "
            + ("is late: " if late else "is sent writes after they are acknowledged: ")
            + f"a failover forgets what it has not got; {subject.then}",
            "see to its network and load" if late else "know it; min-replicas-to-write bounds how much that is",
        )


def cut_off(subject: Subject) -> Iterator[Finding]:
    """A primary that is cut off from its replicas takes no more writes, and one that is not cut off does."""
    asked, attached = int(subject.setting("min-replicas-to-write") or 0), int(subject.info.get("connected_slaves", 0))
    near = int(subject.info.get("min_slaves_good_slaves", attached))
    if near < asked:
        yield wrong(
            f"min-replicas-to-write is {asked} and {near} replicas are near: writes are refused, requests get 503",
            "attach the replicas, or set min-replicas-to-write 0 where there are none",
        )
    elif attached and not asked and subject.setting("min-replicas-to-write"):
        yield advice(
            f"min-replicas-to-write is 0: a primary that is cut off goes on to acknowledge; {subject.then}",
            f"set min-replicas-to-write 1 and min-replicas-max-lag {LATE_S}",
        )


def timeouts(subject: Subject) -> Iterator[Finding]:
    """A host that vanishes keeps nobody waiting for ever, nor the leases of this process from being renewed."""
    pool = subject.client.connection_pool
    connection = pool.connection_class(**pool.connection_kwargs)  # not opened: what its defaults come to
    limits = {name: getattr(connection, name, None) for name in ("socket_connect_timeout", "socket_timeout")}
    if missing := [name.upper() for name, limit in limits.items() if limit is None]:
        yield advice(
            f"no {' and no '.join(missing)}: a Redis host that vanishes keeps each request waiting, and all renewals",
            'set "SOCKET_CONNECT_TIMEOUT": 2, "SOCKET_TIMEOUT": 2 in OPTIONS of the alias in CACHES',
        )
    shortest = min((policy.lease for policy in subject.policies), default=float("inf"))
    if (longest := max((limit for limit in limits.values() if limit), default=0)) >= shortest:
        yield advice(
            f"a socket time-out is {longest:g} s and a lease {shortest:g} s: one lost packet loses leases",
            "lower SOCKET_TIMEOUT and SOCKET_CONNECT_TIMEOUT of the alias in CACHES, or raise lease of the policy",
        )


CHECKS: Final[tuple[Check, ...]] = (
    allowed, version, write_server, append_only, written_out, eviction, replicas, cut_off, timeouts,
)  # fmt: skip


def examine(report: Report, store: RedisRequests, policies: tuple[Policy, ...]) -> None:
    """Fill ``report`` with what the Redis of ``store`` says; the round trip is that of a look-up, a script."""
    report.database = store.leases.connection
    fill(report, Subject(store.leases.client, policies), lambda: store.leases.look(UUID(int=0)))


def fill(report: Report, subject: Subject, ask: Callable[[], object]) -> None:
    """Fill ``report`` with what ``subject`` says; ``ask`` is its usual round trip."""
    try:
        report.round_trip_ms = median_ms(ask)
        report.server = _server(subject.info)
        for check in CHECKS:
            report.findings.extend(check(subject))
    except (RedisError, BackendUnavailable, SessionStoreUnavailable) as error:
        mend = f"start it, or correct LOCATION and password of CACHES[{report.database!r}]"
        report.findings.append(unanswered(error, mend))


def _server(info: dict[str, Any]) -> str:
    if "valkey_version" in info:
        return f"Valkey {info['valkey_version']}"
    return f"Redis {info['redis_version']}" if "redis_version" in info else "answers"
