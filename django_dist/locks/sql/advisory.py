"""The statements of advisory locks. A key is the first 64 bits of SHA-256 of the name."""

from ...models import StoredLock

TABLE = StoredLock._meta.db_table
MICROS = "(EXTRACT(EPOCH FROM clock_timestamp()) * 1000000)::bigint"
#: Ends the session, and the lock with it, when nothing is sent for so long. The text is what HOLDERS reads.
LEASE = "set_config('idle_in_transaction_session_timeout', %s, true)"
FENCE = "nextval('django_dist_fence'), pg_postmaster_start_time()::text"

# key; no row: another has it
TRY = f"SELECT {FENCE} FROM (SELECT pg_try_advisory_xact_lock(%s) AS had OFFSET 0) AS tried WHERE had"
# milliseconds; returns what lock_timeout was
HURRY = "SELECT current_setting('lock_timeout'), set_config('lock_timeout', %s, true)"
# lock_timeout, key
WAIT = f"SELECT {FENCE}, set_config('lock_timeout', %s, true) FROM pg_advisory_xact_lock(%s)"
# "holder", milliseconds
HOLD = f"SELECT 'held by', %s, {LEASE}"
# key; whether this very session has it
OWN = """SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted
AND objsubid = 1 AND (classid::bigint << 32 | objid::bigint) = %s"""

# Fences begin at the clock, in microseconds, when a process first sees a server since its start: what a crash, or a
# standby that was promoted, has forgotten of the sequence is passed. They come slower than the clock goes. One who is
# refused the lock need not wait for it: whoever has it lives on this very server, and does the same just now.
BUMP = f"""
SELECT CASE WHEN NOT pg_try_advisory_xact_lock(hashtextextended('django_dist_fence', 0)) THEN pg_sleep(0.01)::text
WHEN {MICROS} > last_value + 1000000 THEN setval('django_dist_fence', {MICROS})::text END FROM django_dist_fence"""
NEXT = "SELECT nextval('django_dist_fence')"

# digest, name: for the list of holders, since a key tells no name
REGISTER = f"""INSERT INTO {TABLE} (digest, name, fence, taken_at, expires_at)
VALUES (%s, %s, 0, clock_timestamp(), clock_timestamp()) ON CONFLICT DO NOTHING"""
HELD = f"""
FROM pg_locks AS held JOIN pg_stat_activity AS session USING (pid)
JOIN {TABLE} AS known
  ON ('x' || left(encode(sha256(known.name), 'hex'), 16))::bit(64)::bigint = (classid::bigint << 32 | objid::bigint)
WHERE held.locktype = 'advisory' AND objsubid = 1
  AND held.database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
HOLDERS = f"""
SELECT known.name, substring(query FROM '''held by'', ''([^'']*)'''),
  COALESCE(client_addr::text, 'local') || ' ' || pid || ' ' || replace(application_name, ' ', '_') || ' -',
  EXTRACT(EPOCH FROM clock_timestamp() - xact_start)::float8,
  EXTRACT(EPOCH FROM state_change - clock_timestamp())::float8 + substring(query FROM '''(\\d+)ms''')::float8 / 1000,
  (SELECT count(*) FROM pg_locks AS other WHERE NOT granted AND (other.classid, other.objid, other.database)
    = (held.classid, held.objid, held.database) AND other.locktype = 'advisory')
{HELD} AND granted ORDER BY 1 LIMIT %s"""
# key
SESSIONS = """SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted
AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
AND (classid::bigint << 32 | objid::bigint) = %s"""
# pid; and no fence is the next of one that was broken
END = "SELECT pg_terminate_backend(%s, 5000), nextval('django_dist_fence')"
