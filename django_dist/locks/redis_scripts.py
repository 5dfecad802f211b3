"""The Lua scripts of locks: each reads and writes by the TIME of Redis, in one go.

A lock is a hash, KEYS[1]: ``owner`` while it is held, ``fence``, ``taken`` and ``ends``, in microseconds. The processes
that wait for it are a sorted set, KEYS[2], by their coming. A lock that is freed is kept for the first of them, who is
told by PUBLISH, for a moment: ``kept`` until then, ``next`` for whom. KEYS[3] is the set of the names that are held.
A script that a client sends twice, since the first answer was lost, does no more than one that is sent once.
"""

from typing import Final

from ..idempotency.redis_scripts import Script
from .base import MOST_HOLDERS

#: Seconds that a lock is kept after its end. A new one's fence is the clock; so it passes that of a forgotten one,
#: unless the clock goes back by more than this.
KEPT_S: Final = 86400
#: Microseconds that a lock which was freed is kept for the first who waits. A process that stands still loses its turn.
TURN_US: Final = 50_000

NOW: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
"""

# ``mine`` says whether ARGV[1] holds it, whether or not its lease lasts.
FOUND: Final = f"""{NOW}
local row = redis.call('HMGET', KEYS[1], 'owner', 'fence', 'ends', 'kept', 'next', 'taken')
local owner, fence, ends = row[1], tonumber(row[2] or 0), tonumber(row[3] or 0)
local held, mine = owner and ends > now, owner == ARGV[1]
local kept = row[4] and tonumber(row[4]) > now and tonumber(row[4]) - now or 0
"""

# What is freed is for the first who hears of it: the connection of a process that has died hears nothing.
FREE: Final = f"""
local function free(name, channel)
  redis.call('HDEL', KEYS[1], 'owner', 'kept', 'next')
  redis.call('ZREM', KEYS[3], name)
  redis.call('PEXPIRE', KEYS[1], {KEPT_S * 1000})
  while true do
    local first = redis.call('ZPOPMIN', KEYS[2])[1]
    if not first then
      return
    end
    local heard = redis.pcall('PUBLISH', channel .. first, name)
    if type(heard) == 'number' and heard > 0 then
      redis.call('HSET', KEYS[1], 'kept', now + {TURN_US}, 'next', first)
      return
    end
  end
end
"""

LEASE: Final = f"""
redis.call('HSET', KEYS[1], 'ends', now + ARGV[3])
redis.call('PEXPIRE', KEYS[1], math.ceil(ARGV[3] / 1000) + {KEPT_S * 1000})
redis.call('ZADD', KEYS[3], now + ARGV[3], ARGV[2])
"""

# owner, name, ttl, process; returns the fence, or 0 and the rest of what is in the way.
ACQUIRE: Final = Script(f"""{FOUND}
if held and not mine then
  return {{0, ends - now}}
end
if not mine then
  if kept > 0 and row[5] ~= ARGV[4] then
    return {{0, kept}}
  end
  fence = math.max(fence + 1, now)
  redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'fence', fence, 'taken', now)
  redis.call('HDEL', KEYS[1], 'kept', 'next')
  redis.call('ZREM', KEYS[2], ARGV[4])
  redis.call('ZREMRANGEBYSCORE', KEYS[3], '-inf', now)
end
{LEASE}
return {{fence, 0}}""")

# owner, name, channel, fence or 0: whatever the owner has
RELEASE: Final = Script(f"""{FOUND}{FREE}
if ARGV[4] ~= '0' then
  mine = fence == tonumber(ARGV[4])
end
if mine and owner then
  free(ARGV[2], ARGV[3])
end
return mine and 1 or 0""")

# owner, name, ttl, fence
EXTEND: Final = Script(f"""{FOUND}
if not (held and mine and fence == tonumber(ARGV[4])) then
  return 0
end
{LEASE}
return 1""")

# owner, fence
CHECK: Final = Script(f"""{FOUND}
return held and mine and fence == tonumber(ARGV[2]) and 1 or 0""")

# process; queues it, and returns the rest of what is in the way, or 0: it is worth asking
QUEUE: Final = Script(f"""{FOUND}
if not held and (kept == 0 or row[5] == ARGV[1]) then
  return 0
end
redis.call('ZADD', KEYS[2], 'NX', now, ARGV[1])
redis.call('PEXPIRE', KEYS[2], {KEPT_S * 1000})
return held and ends - now or kept""")

# process, name, channel; who was told, and waits no more, passes it on
PASS: Final = Script(f"""{FOUND}{FREE}
if kept > 0 and row[5] == ARGV[1] then
  free(ARGV[2], ARGV[3])
end
return 1""")

# nobody, name, channel
BREAK: Final = Script(f"""{FOUND}{FREE}
if not held then
  return 0
end
redis.call('HINCRBY', KEYS[1], 'fence', 1)
free(ARGV[2], ARGV[3])
return 1""")

# KEYS[1] holds the names; the beginnings of the keys of locks and queues
HOLDERS: Final = Script(f"""{NOW}
local all = {{}}
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. string.format('%d', now), '+inf',
    'LIMIT', 0, {MOST_HOLDERS})) do
  local row = redis.call('HMGET', ARGV[1] .. name, 'owner', 'fence', 'taken', 'ends')
  if row[1] then
    table.insert(all, {{name, row[1], row[2], now - row[3], row[4] - now, redis.call('ZCARD', ARGV[2] .. name)}})
  end
end
return all""")
