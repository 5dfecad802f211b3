"""Checks of PostgreSQL: what bounds a lost host, who may write, what a waiter sees."""

from collections.abc import Iterator
from typing import Final

from django.db import transaction

from .base import LOST_HOST_S, Check, Finding, Subject, advice, wrong

MINIMUM: Final = (14,)


def _setting(subject: Subject, name: str) -> float:
    """Return a numeric setting of this session, times in seconds; 0 is off."""
    ((value, unit),) = subject.ask_all("SELECT setting, unit FROM pg_settings WHERE name = %s", name)
    return float(value) / 1000 if unit == "ms" else float(value)


def version(subject: Subject) -> Iterator[Finding]:
    """The server is one that is tested."""
    if subject.connection.get_database_version()[:1] < MINIMUM:
        yield wrong("PostgreSQL is older than 14", "upgrade the server")


def write_server(subject: Subject) -> Iterator[Finding]:
    """Records are read where they are written: a replica does not know the last ones."""
    if subject.ask("SELECT pg_is_in_recovery()"):
        yield wrong("this is a hot standby", "let the store's database be an alias of the primary")
    elif subject.ask("SHOW transaction_read_only") == "on":
        yield wrong("the session is read only", "set default_transaction_read_only = off for this role and database")


def lost_host(subject: Subject) -> Iterator[Finding]:
    """A host that vanishes in the middle of a request frees its key soon."""
    probes = [_setting(subject, f"tcp_keepalives_{name}") for name in ("idle", "interval", "count")]
    idle_s, interval_s, count = probes
    bounds = [_setting(subject, "idle_in_transaction_session_timeout"), idle_s + interval_s * count]
    if subject.ask("SELECT inet_server_addr()") is None:
        return  # a socket of this very host
    longest = min((bound for bound in bounds if bound > 0), default=float("inf"))
    if longest > LOST_HOST_S:
        yield advice(
            f"a host lost in mid-request keeps its key for up to {longest:.0f} s: repeats get 409 "
            f"(tcp_keepalives_idle {idle_s:.0f} s, interval {interval_s:.0f} s, count {count:.0f}; "
            f"idle_in_transaction_session_timeout {bounds[0]:.0f} s)",
            "ALTER ROLE ... SET tcp_keepalives_idle = 30; the same for tcp_keepalives_interval = 10, ..._count = 3",
        )


def busy_backend(subject: Subject) -> Iterator[Finding]:
    """A backend whose worker was killed stops in the middle of a long statement."""
    if _setting(subject, "client_connection_check_interval") == 0:
        yield advice(
            "client_connection_check_interval is 0: a long statement of a killed worker runs on and keeps its key",
            "ALTER ROLE ... SET client_connection_check_interval = '5s'",
        )


def isolation(subject: Subject) -> Iterator[Finding]:
    """A waiter sees the answer that it has waited for."""
    with transaction.atomic(using=subject.connection.alias):  # OPTIONS take effect at BEGIN
        level = subject.ask("SHOW transaction_isolation")
    if level not in ("read committed", "read uncommitted"):
        yield advice(
            f"transactions are {level}: a repeat that waited gets 409 instead of the first's answer",
            "set default_transaction_isolation = 'read committed' (or isolation_level of OPTIONS) for this database",
        )


def statement_timeout(subject: Subject) -> Iterator[Finding]:
    """No time-out of the server's ends a repeat's wait early."""
    limit_s, wait_s = _setting(subject, "statement_timeout"), max(policy.wait for policy in subject.policies)
    if 0 < limit_s <= wait_s:
        yield advice(
            f"statement_timeout is {limit_s:g} s and repeats wait {wait_s:g} s: they get 503 instead of the answer",
            "raise statement_timeout for this role, or lower wait of the policy",
        )


def durability(subject: Subject) -> Iterator[Finding]:
    """What was answered outlives a crash of the server."""
    if subject.ask("SHOW fsync") == "off":
        yield wrong("fsync is off: a crash of the server can lose or corrupt every record", "set fsync = on")
    if subject.ask("SHOW synchronous_commit") == "off":
        yield advice(
            "synchronous_commit is off: a crash of the server undoes what was answered just before",
            "set synchronous_commit = on for this role",
        )


CHECKS: Final[tuple[Check, ...]] = (
    version, write_server, lost_host, busy_backend, isolation, statement_timeout, durability,
)  # fmt: skip
