"""The Lua scripts of locks: each reads and writes by the TIME of Redis, in one go.

A lock is a hash, KEYS[1]: ``owner`` while it is held, ``fence``, ``taken`` and ``ends``, in microseconds. Who waits for
it is in a sorted set, KEYS[2], by his coming: his process, the lease that he wants, and the owner that he will be. What
frees the lock grants it to the first whose process listens, and tells it by PUBLISH. KEYS[3] has the names that are
held. A script that a client sends twice, since the first answer was lost, does no more than one that is sent once.
"""

from typing import Final

from ..idempotency.redis_scripts import Script
from .base import MOST_HOLDERS

#: Seconds that a lock is kept after its end. A new one's fence is the clock; so it passes that of a forgotten one,
#: unless the clock goes back by more than this.
KEPT_S: Final = 86400
NOW: Final = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
"""

# ``mine`` says whether ARGV[1] holds it, whether or not its lease lasts.
FOUND: Final = f"""{NOW}
local row = redis.call('HMGET', KEYS[1], 'owner', 'fence', 'ends')
local owner, fence, ends = row[1], tonumber(row[2] or 0), tonumber(row[3] or 0)
local held, mine = owner and ends > now, owner == ARGV[1]
local function lease(ttl, name, ...)
  redis.call('HSET', KEYS[1], 'ends', now + ttl, ...)
  redis.call('PEXPIRE', KEYS[1], math.ceil(ttl / 1000) + {KEPT_S * 1000})
  redis.call('ZADD', KEYS[3], now + ttl, name)
end
local function grant(to, ttl, name)
  fence = math.max(fence + 1, now)
  lease(ttl, name, 'owner', to, 'fence', fence, 'taken', now)
end
"""

# The connection of a process that has died hears nothing.
FREE: Final = f"""
local function free(name, channel)
  while true do
    local first = redis.call('ZPOPMIN', KEYS[2])[1]
    if not first then
      break
    end
    local process, ttl, to = string.match(first, '^(%S+) (%d+) (.*)$')
    local told = string.format('%.0f %.0f %s\\n%s', math.max(fence + 1, now), now, to, name)
    local heard = redis.pcall('PUBLISH', channel .. process, told)
    if type(heard) == 'number' and heard > 0 then
      grant(to, tonumber(ttl), name)
      return
    end
  end
  redis.call('HDEL', KEYS[1], 'owner')
  redis.call('ZREM', KEYS[3], name)
  redis.call('PEXPIRE', KEYS[1], {KEPT_S * 1000})
end
"""

# owner, name, ttl, who waits; returns the fence, or 0 and the rest of the other's lease.
ACQUIRE: Final = Script(f"""{FOUND}
if held and not mine then
  return {{0, ends - now}}
end
if mine then
  lease(ARGV[3], ARGV[2])
else
  grant(ARGV[1], ARGV[3], ARGV[2])
end
if ARGV[4] then
  redis.call('ZREM', KEYS[2], ARGV[4])
end
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
lease(ARGV[3], ARGV[2])
return 1""")

# owner, fence
CHECK: Final = Script(f"""{FOUND}
return held and mine and fence == tonumber(ARGV[2]) and 1 or 0""")

# owner, who waits; returns the rest of the other's lease, or 0: it is worth asking; and the time.
QUEUE: Final = Script(f"""{FOUND}
if mine or not held then
  return {{0, now}}
end
redis.call('ZADD', KEYS[2], 'NX', now, ARGV[2])
redis.call('PEXPIRE', KEYS[2], {KEPT_S * 1000})
return {{ends - now, now}}""")

# owner, name, channel, who waits; and he waits no more
LEAVE: Final = Script(f"""{FOUND}{FREE}
redis.call('ZREM', KEYS[2], ARGV[4])
if mine then
  free(ARGV[2], ARGV[3])
end
return 1""")

# nobody, name, channel
BREAK: Final = Script(f"""{FOUND}{FREE}
if not held then
  return 0
end
fence = fence + 1
redis.call('HSET', KEYS[1], 'fence', fence)
free(ARGV[2], ARGV[3])
return 1""")

# KEYS[1] has the names; the beginnings of the keys of locks and queues
HOLDERS: Final = Script(f"""{NOW}
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local all = {{}}
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '+inf',
    'LIMIT', 0, {MOST_HOLDERS})) do
  local row = redis.call('HMGET', ARGV[1] .. name, 'owner', 'fence', 'taken', 'ends')
  if row[1] then
    table.insert(all, {{name, row[1], row[2], now - row[3], row[4] - now, redis.call('ZCARD', ARGV[2] .. name)}})
  end
end
return all""")
