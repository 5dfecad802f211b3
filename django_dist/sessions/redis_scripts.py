"""The Lua scripts of sessions: each reads and writes one hash by the TIME of Redis, in one go.

``v`` is the version, ``d`` the sealed data, ``u`` the user, ``c`` and ``s`` when it was created and last seen, in
milliseconds, ``w`` who wrote last: a script that a client sends twice, since the first answer was lost, does no more
than one that is sent once.
"""

from typing import Final

from ..idempotency.redis_scripts import NOW, Script

READ: Final = Script(f"""
local row = redis.call('HMGET', KEYS[1], 'v', 'd', 's', 'c')
if not row[1] then
  return false
end
{NOW}
return {{row[1], row[2], tostring(now - row[3]), tostring(now - row[4])}}
""")

# data, user, writer, ttl, milliseconds lived
INSERT: Final = Script(f"""
local writer = redis.call('HGET', KEYS[1], 'w')
if writer then
  return writer == ARGV[3] and 1 or 0
end
{NOW}
redis.call('HSET', KEYS[1], 'v', 1, 'd', ARGV[1], 'u', ARGV[2], 'w', ARGV[3], 's', now, 'c', now - ARGV[5])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
""")

# data, user, writer, ttl, version
UPDATE: Final = Script(f"""
local had = redis.call('HMGET', KEYS[1], 'v', 'w')
if had[1] ~= ARGV[5] then
  return had[2] == ARGV[3] and 1 or 0
end
{NOW}
redis.call('HSET', KEYS[1], 'v', had[1] + 1, 'd', ARGV[1], 'u', ARGV[2], 'w', ARGV[3], 's', now)
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
""")

# as UPDATE, and the milliseconds lived; the second key is the new one
RENAME: Final = Script(f"""
if redis.call('HGET', KEYS[1], 'v') ~= ARGV[5] then
  return redis.call('HGET', KEYS[2], 'w') == ARGV[3] and 1 or 0
end
{NOW}
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[2], 'v', ARGV[5] + 1, 'd', ARGV[1], 'u', ARGV[2], 'w', ARGV[3], 's', now, 'c', now - ARGV[6])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
return 1
""")

# ttl
TOUCH: Final = Script(f"""
if redis.call('EXISTS', KEYS[1]) == 1 then
  {NOW}
  redis.call('HSET', KEYS[1], 's', now)
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
end
return 1
""")
