"""The statements of sessions, one round trip each, by the clock of each database."""

from typing import Final, NamedTuple

from ..exceptions import InvalidBackend

TABLE: Final = "django_dist_session"
LATCHES: Final = "django_dist_session_latch"


class Clock(NamedTuple):
    """How a database tells the time; ``%s`` stands for seconds."""

    now: str
    ahead: str
    idle: str  # seconds since seen_at
    lived: str  # seconds since created_at
    left: str  # seconds until expires_at
    newest: str = ""  # at the end of a SELECT that must not see a snapshot of its transaction
    unless_taken: str = "ON CONFLICT (digest) DO NOTHING"  # an error would end a transaction of the view's
    held: str = "ON CONFLICT (slot) DO UPDATE SET slot = excluded.slot"


ISO = "strftime('%%Y-%%m-%%d %%H:%%M:%%f000', 'now'{})"
CLOCKS: Final = {
    # Not now(), which stands still in a transaction.
    "postgresql": Clock(
        "clock_timestamp()",
        "clock_timestamp() + make_interval(secs => %s)",
        "EXTRACT(EPOCH FROM clock_timestamp() - seen_at)::float8",
        "EXTRACT(EPOCH FROM clock_timestamp() - created_at)::float8",
        "EXTRACT(EPOCH FROM expires_at - clock_timestamp())::float8",
    ),
    "mysql": Clock(
        "UTC_TIMESTAMP(6)",
        "UTC_TIMESTAMP(6) + INTERVAL %s SECOND",
        "TIMESTAMPDIFF(MICROSECOND, seen_at, UTC_TIMESTAMP(6)) / 1e6",
        "TIMESTAMPDIFF(MICROSECOND, created_at, UTC_TIMESTAMP(6)) / 1e6",
        "TIMESTAMPDIFF(MICROSECOND, UTC_TIMESTAMP(6), expires_at) / 1e6",
        newest=" FOR UPDATE",
        unless_taken="",  # an error ends no transaction here
        held="ON DUPLICATE KEY UPDATE slot = slot",
    ),
    "sqlite": Clock(
        ISO.format(""),
        ISO.format(", %s || ' seconds'"),
        "(julianday('now') - julianday(seen_at)) * 86400",
        "(julianday('now') - julianday(created_at)) * 86400",
        "(julianday(expires_at) - julianday('now')) * 86400",
    ),
}


class Statements:
    """The SQL for one vendor, made once."""

    def __init__(self, vendor: str) -> None:
        if vendor not in CLOCKS:
            raise InvalidBackend(f"sessions need SQLite, PostgreSQL, MariaDB or MySQL, not {vendor}")
        clock = CLOCKS[vendor]
        lives = f"digest = %s AND expires_at > {clock.now}"
        put_off = (
            f"seen_at = {clock.now}, expires_at = {clock.ahead}, ip = COALESCE(%s, ip), agent = COALESCE(%s, agent)"
        )
        changed = f"version = version + 1, data = %s, user_id = %s, {put_off}"
        # digest
        self.read = f"SELECT version, data, {clock.idle}, {clock.lived} FROM {TABLE} WHERE {lives}"
        self.read_newest = self.read + clock.newest
        self.delete = f"DELETE FROM {TABLE} WHERE digest = %s"
        self.delete_of = f"{self.delete} AND user_id = %s"
        # user, digest of the one that is not meant
        self.others = (
            f"SELECT digest FROM {TABLE} WHERE user_id = %s AND digest <> %s AND expires_at > {clock.now} "
            f"ORDER BY created_at, digest{clock.newest}"
        )
        self.delete_others = f"DELETE FROM {TABLE} WHERE user_id = %s AND digest <> %s"
        # slot
        self.latch = f"INSERT INTO {LATCHES} (slot) VALUES (%s) {clock.held}"
        # digest, data, user, ttl, ip, agent
        self.insert = (
            f"INSERT INTO {TABLE} (digest, version, data, user_id, created_at, seen_at, expires_at, ip, agent) "
            f"VALUES (%s, 1, %s, %s, {clock.now}, {clock.now}, {clock.ahead}, %s, %s) {clock.unless_taken}"
        )
        # data, user, ttl, ip, agent, digest, version
        self.update = f"UPDATE {TABLE} SET {changed} WHERE {lives} AND version = %s"
        self.enter = f"UPDATE {TABLE} SET created_at = {clock.now}, {changed} WHERE {lives} AND version = %s"
        # new digest, then as update
        self.rename = f"UPDATE {TABLE} SET digest = %s, {changed} WHERE {lives} AND version = %s"
        self.rename_entering = (
            f"UPDATE {TABLE} SET digest = %s, created_at = {clock.now}, {changed} WHERE {lives} AND version = %s"
        )
        # digest, version, data, user, seconds lived (below 0), ttl, ip, agent
        self.put_new = (
            f"INSERT INTO {TABLE} (digest, version, data, user_id, seen_at, created_at, expires_at, ip, agent) "
            f"VALUES (%s, %s, %s, %s, {clock.now}, {clock.ahead}, {clock.ahead}, %s, %s) {clock.unless_taken}"
        )
        # version, data, user, seconds lived (below 0), ttl, ip, agent, digest, version twice, data twice, ttl
        self.put_over = (
            f"UPDATE {TABLE} SET version = %s, data = %s, user_id = %s, seen_at = {clock.now}, "
            f"created_at = {clock.ahead}, expires_at = {clock.ahead}, ip = %s, agent = %s WHERE digest = %s AND "
            f"(version < %s OR (version = %s AND (data < %s OR (data = %s AND expires_at < {clock.ahead}))))"
        )
        self.whole = f"SELECT version, data, user_id, {clock.left}, {clock.lived}, ip, agent FROM {TABLE} WHERE {lives}"
        self.whole += clock.newest
        # user, how many
        self.noted = f"SELECT digest, data FROM {TABLE} WHERE user_id = %s AND expires_at > {clock.now} LIMIT %s"
        # ttl, ip, agent, digest
        self.touch = f"UPDATE {TABLE} SET {put_off} WHERE {lives}"
