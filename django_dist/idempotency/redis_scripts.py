"""The Lua scripts of mode ``lease``: each reads and writes one hash, KEYS[1], by the TIME of Redis, in one go.

``state`` is running, finished or held; ``until`` is when the lease ends, in milliseconds. A script that a client sends
twice, since the first answer was lost, does no more than one that is sent once.
"""

import hashlib
from typing import Final


class Script:
    """A text and the digest by which Redis knows it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


NOW: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""

# What Standing is made of, in this order; of what is finished or held nothing is left of a lease.
ROW: Final = """
local row = redis.call('HMGET', KEYS[1],
  'state', 'owner', 'fingerprint', 'binding', 'steps', 'status', 'reason', 'headers', 'body', 'until')
if row[1] ~= 'running' and row[1] then
  return row
end
"""

# Ends a script of one that owns no more: ARGV[1] is who asks, ARGV[2] and others are the script's own.
OWNED: Final = """
local had = redis.call('HMGET', KEYS[1], 'state', 'owner')
if had[1] ~= 'running' or had[2] ~= ARGV[1] then
  return 0
end
"""

# The lease begins anew, and the record lives as long at least; ARGV[2] is the lease.
LEASE: Final = """
redis.call('HSET', KEYS[1], 'until', now + ARGV[2])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
"""

# owner, lease, ttl, fingerprint, binding, scope, view; returns 1 to the first, who knows the rest
TAKE: Final = Script(f"""{ROW}{NOW}
if not row[1] then
  redis.call('HSET', KEYS[1], 'state', 'running', 'owner', ARGV[1], 'until', now + ARGV[2],
    'fingerprint', ARGV[4], 'binding', ARGV[5], 'scope', ARGV[6], 'view', ARGV[7])
  redis.call('PEXPIRE', KEYS[1], math.max(tonumber(ARGV[2]), tonumber(ARGV[3])))
  return 1
end
local left = row[10] - now
if row[2] == ARGV[1] or (left <= 0 and row[3] == ARGV[4] and row[4] == ARGV[5]) then
  redis.call('HSET', KEYS[1], 'owner', ARGV[1])
  {LEASE}
  row[2], left = ARGV[1], tonumber(ARGV[2])
end
row[10] = math.max(0, left)
return row""")

LOOK: Final = Script(f"""{ROW}{NOW}
if not row[1] then
  return false
end
row[10] = math.max(0, row[10] - now)
return row""")

# owner, lease[, steps]
KEEP: Final = Script(f"""{NOW}{OWNED}
if ARGV[3] then
  redis.call('HSET', KEYS[1], 'steps', ARGV[3])
end
{LEASE}
return 1""")

# owner, lease
RENEW: Final = Script(f"""{NOW}{OWNED}{LEASE}
return 1""")

# owner, ttl, then names and values of the answer
FINISH: Final = Script("""
local had = redis.call('HMGET', KEYS[1], 'state', 'owner')
if had[2] ~= ARGV[1] or had[1] == 'held' then
  return 0
end
redis.call('HSET', KEYS[1], 'state', 'finished', unpack(ARGV, 3))
redis.call('HDEL', KEYS[1], 'steps', 'until')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1""")

# owner[, steps]
RELEASE: Final = Script(f"""{OWNED}
if ARGV[2] then
  redis.call('HSET', KEYS[1], 'steps', ARGV[2], 'until', 0, 'owner', '')
else
  redis.call('DEL', KEYS[1])
end
return 1""")

# owner, steps, why
HOLD: Final = Script("""
local had = redis.call('HMGET', KEYS[1], 'state', 'owner')
if had[2] ~= ARGV[1] or had[1] == 'finished' then
  return 0
end
redis.call('HSET', KEYS[1], 'state', 'held', 'steps', ARGV[2], 'why', ARGV[3], 'until', 0)
redis.call('PERSIST', KEYS[1])
return 1""")
