"""Checks of MariaDB and MySQL: the engine, who may write, what fits, what bounds a lost host."""

from collections.abc import Iterator
from typing import Final

from ..models import RequestRecord
from .base import LOST_HOST_S, Check, Finding, Subject, advice, wrong

TRANSACTIONAL: Final = ("InnoDB", "ROCKSDB", "ndbcluster")
ENGINES: Final = """
SELECT table_name, engine FROM information_schema.tables
WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'"""
OVERHEAD_BYTES: Final = 64 * 1024  # of the statement that records: its words, digests, headers


def _variables(subject: Subject, *names: str) -> dict[str, str]:
    """Return those of the session's variables that this server has."""
    listed = ", ".join(["%s"] * len(names))
    rows = subject.ask_all(f"SHOW SESSION VARIABLES WHERE variable_name IN ({listed})", *names)
    return {name.lower(): value for name, value in rows}


def version(subject: Subject) -> Iterator[Finding]:
    """The server is one that is tested."""
    minimum = (10, 6) if subject.connection.mysql_is_mariadb else (8, 0)  # type: ignore[attr-defined]
    if subject.connection.get_database_version()[:2] < minimum:
        yield wrong(f"the server is older than {minimum[0]}.{minimum[1]}", "upgrade the server")


def write_server(subject: Subject) -> Iterator[Finding]:
    """Records are read where they are written: a replica does not know the last ones."""
    for name, value in _variables(
        subject, "read_only", "super_read_only", "innodb_read_only", "tx_read_only", "transaction_read_only"
    ).items():
        if value not in ("OFF", "0", "NO_LOCK"):
            yield wrong(f"the server is read only ({name} = {value})", "let the store's database be the primary")


def engines(subject: Subject) -> Iterator[Finding]:
    """What a refused request wrote can be rolled back."""
    plain = {table: engine for table, engine in subject.ask_all(ENGINES) if engine not in TRANSACTIONAL}
    own = RequestRecord._meta.db_table
    if (engine := plain.pop(own, None)) is not None:
        yield wrong(f"table {own} is {engine}: nothing is undone, effects double", f"ALTER TABLE {own} ENGINE=InnoDB")
    if plain:
        names = ", ".join(sorted(plain)[:5]) + (" ..." if len(plain) > 5 else "")
        yield advice(
            f"{len(plain)} other tables cannot roll back ({names}): a view that writes to them is not guarded",
            "ALTER TABLE ... ENGINE=InnoDB",
        )


def empty_texts(subject: Subject) -> Iterator[Finding]:
    """An empty text or answer is kept as it is."""
    if "EMPTY_STRING_IS_NULL" in _variables(subject, "sql_mode")["sql_mode"]:
        yield wrong(
            "sql_mode has EMPTY_STRING_IS_NULL: an empty text or answer cannot be kept",
            "set 'sql_mode' in OPTIONS of the database without it",
        )


def isolation(subject: Subject) -> Iterator[Finding]:
    """Nobody reads an answer before its COMMIT, and requests of other keys do not wait for each other."""
    level = next(iter(_variables(subject, "tx_isolation", "transaction_isolation").values()))
    mend = "leave isolation_level out of OPTIONS (Django's default is 'read committed')"
    if level == "READ-UNCOMMITTED":
        yield wrong("isolation is READ-UNCOMMITTED: an answer can be replayed that is then rolled back", mend)
    elif level != "READ-COMMITTED":
        yield advice(f"isolation is {level}: gap locks make requests of other keys, and the purge, wait", mend)


def packet(subject: Subject) -> Iterator[Finding]:
    """The longest answer that is kept fits into one statement, each byte escaped."""
    limit = int(_variables(subject, "max_allowed_packet")["max_allowed_packet"])
    longest = max(policy.max_response_bytes for policy in subject.policies)
    if limit < 2 * longest + OVERHEAD_BYTES:
        yield wrong(
            f"max_allowed_packet is {limit} bytes; an answer of max_response_bytes = {longest} may need "
            f"{2 * longest + OVERHEAD_BYTES}, fails and is rolled back",
            "raise max_allowed_packet of the server, or lower max_response_bytes of the policy",
        )


def lost_host(subject: Subject) -> Iterator[Finding]:
    """A host that vanishes in the middle of a request frees its key soon."""
    names = ("wait_timeout", "idle_transaction_timeout", "idle_write_transaction_timeout")
    found = {name: int(value) for name, value in _variables(subject, *names).items()}
    longest = min(value for value in found.values() if value > 0)
    if longest > LOST_HOST_S:
        setting = names[2] if subject.connection.mysql_is_mariadb else names[0]  # type: ignore[attr-defined]
        shown = ", ".join(f"{name} {value} s" for name, value in sorted(found.items()))
        yield advice(
            f"a host lost in mid-request keeps its key for up to {longest} s: repeats get 409 ({shown})",
            f"set {setting} = 60, above what your views take between two statements",
        )


def durability(subject: Subject) -> Iterator[Finding]:
    """What was answered outlives a crash of the server."""
    flush = _variables(subject, "innodb_flush_log_at_trx_commit")["innodb_flush_log_at_trx_commit"]
    if flush in ("0", "2"):
        yield advice(
            f"innodb_flush_log_at_trx_commit is {flush}: a crash undoes what was answered in the second before",
            "set innodb_flush_log_at_trx_commit = 1",
        )


CHECKS: Final[tuple[Check, ...]] = (
    version,
    write_server,
    engines,
    empty_texts,
    isolation,
    packet,
    lost_host,
    durability,
)
