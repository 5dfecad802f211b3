"""The Lua scripts of sessions: each reads and writes by the TIME of Redis, in one go.

A session is a hash: ``v`` is the version, ``d`` the sealed data, ``u`` the user, ``c`` and ``s`` when it was created
and last seen, in milliseconds, ``i`` and ``a`` the IP address and the user agent where they are recorded, ``w`` who
wrote last: a script that a client sends twice, since the first answer was lost, does no more than one that is sent
once. The digests of a user's sessions are a sorted set by their ends, which lasts as long as the last of them.
"""

from typing import Final

from ..idempotency.redis_scripts import NOW, Script

# The names of all keys are made of KEYS[1], a session: prefix, digest.
INDEX: Final = """
local prefix = string.sub(KEYS[1], 1, -33)
local function list(user, key, ttl)
  if user == '' then
    return
  end
  local index = prefix .. 'user:' .. user
  redis.call('ZADD', index, now + ttl, string.sub(key, -32))
  if redis.call('PTTL', index) < tonumber(ttl) then
    redis.call('PEXPIRE', index, ttl)
  end
end
local function unlist(user, key)
  if user and user ~= '' then
    redis.call('ZREM', prefix .. 'user:' .. user, string.sub(key, -32))
  end
end
"""

# Forgets what is over, and ends the oldest so that one more may be; false where it is refused.
LIMIT: Final = """
local function admit(user, own, most, refuses)
  if user == '' then
    return true
  end
  local index, live = prefix .. 'user:' .. user, {}
  redis.call('ZREMRANGEBYSCORE', index, '-inf', now)
  if most == '0' then
    return true
  end
  for _, member in ipairs(redis.call('ZRANGE', index, 0, -1)) do
    local created = redis.call('HGET', prefix .. member, 'c')
    if created and prefix .. member ~= own then
      table.insert(live, {tonumber(created), member})
    end
  end
  if #live >= tonumber(most) and refuses == '1' then
    return false
  end
  table.sort(live, function(one, other)
    return one[1] < other[1] or (one[1] == other[1] and one[2] < other[2])
  end)
  for place = 1, #live - most + 1 do
    redis.call('DEL', prefix .. live[place][2])
    redis.call('ZREM', index, live[place][2])
  end
  return true
end
"""

READ: Final = Script(f"""
local row = redis.call('HMGET', KEYS[1], 'v', 'd', 's', 'c')
if not row[1] then
  return false
end
{NOW}
return {{row[1], row[2], tostring(now - row[3]), tostring(now - row[4])}}
""")

# data, user, writer, ttl, 0, most of a user or 0, whether one more is refused, pairs of the device
INSERT: Final = Script(f"""
local writer = redis.call('HGET', KEYS[1], 'w')
if writer then
  return writer == ARGV[3] and 1 or 0
end
{NOW}{INDEX}{LIMIT}
if not admit(ARGV[2], KEYS[1], ARGV[6], ARGV[7]) then
  return -1
end
redis.call('HSET', KEYS[1], 'v', 1, 'd', ARGV[1], 'u', ARGV[2], 'w', ARGV[3], 's', now, 'c', now, unpack(ARGV, 8))
redis.call('PEXPIRE', KEYS[1], ARGV[4])
list(ARGV[2], KEYS[1], ARGV[4])
return 1
""")

# as INSERT, with the version in the place of 0
UPDATE: Final = Script(f"""
local had = redis.call('HMGET', KEYS[1], 'v', 'w', 'u')
if had[1] ~= ARGV[5] then
  return had[2] == ARGV[3] and 1 or 0
end
{NOW}{INDEX}{LIMIT}
if had[3] ~= ARGV[2] then
  if not admit(ARGV[2], KEYS[1], ARGV[6], ARGV[7]) then
    return -1
  end
  unlist(had[3], KEYS[1])
  redis.call('HSET', KEYS[1], 'c', now)
end
redis.call('HSET', KEYS[1], 'v', had[1] + 1, 'd', ARGV[1], 'u', ARGV[2], 'w', ARGV[3], 's', now, unpack(ARGV, 8))
redis.call('PEXPIRE', KEYS[1], ARGV[4])
list(ARGV[2], KEYS[1], ARGV[4])
return 1
""")

# as UPDATE; the second key is the new one
RENAME: Final = Script(f"""
local had = redis.call('HMGET', KEYS[1], 'v', 'u', 'c')
if had[1] ~= ARGV[5] then
  return redis.call('HGET', KEYS[2], 'w') == ARGV[3] and 1 or 0
end
{NOW}{INDEX}{LIMIT}
local created = had[3]
if had[2] ~= ARGV[2] then
  if not admit(ARGV[2], KEYS[1], ARGV[6], ARGV[7]) then
    return -1
  end
  created = now
end
redis.call('RENAME', KEYS[1], KEYS[2])
unlist(had[2], KEYS[1])
redis.call('HSET', KEYS[2], 'v', had[1] + 1, 'd', ARGV[1], 'u', ARGV[2], 'w', ARGV[3], 's', now, 'c', created,
  unpack(ARGV, 8))
redis.call('PEXPIRE', KEYS[2], ARGV[4])
list(ARGV[2], KEYS[2], ARGV[4])
return 1
""")

# data, user, writer, ttl, version, milliseconds lived, pairs of the device. Bytes are compared one by one, for Lua
# compares by the language of the server.
PUT: Final = Script(f"""
local function greater(one, other)
  for place = 1, math.min(#one, #other) do
    local a, b = string.byte(one, place), string.byte(other, place)
    if a ~= b then
      return a > b
    end
  end
  return #one > #other
end
local had = redis.call('HMGET', KEYS[1], 'v', 'd', 'u')
if had[1] then
  local stands, comes = tonumber(had[1]), tonumber(ARGV[5])
  local longer = had[2] == ARGV[1] and redis.call('PTTL', KEYS[1]) < tonumber(ARGV[4])
  if stands > comes or (stands == comes and not greater(ARGV[1], had[2]) and not longer) then
    return 0
  end
end
{NOW}{INDEX}
unlist(had[3], KEYS[1])
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'v', ARGV[5], 'd', ARGV[1], 'u', ARGV[2], 'w', ARGV[3], 's', now, 'c', now - ARGV[6],
  unpack(ARGV, 7))
redis.call('PEXPIRE', KEYS[1], ARGV[4])
list(ARGV[2], KEYS[1], ARGV[4])
return 1
""")

WHOLE: Final = Script(f"""
local row = redis.call('HMGET', KEYS[1], 'v', 'd', 'u', 'c', 'i', 'a')
if not row[1] then
  return false
end
{NOW}
return {{row[1], row[2], row[3], tostring(now - row[4]), tostring(redis.call('PTTL', KEYS[1])), row[5], row[6]}}
""")

# The key is the index; prefix, how many at the most
NOTED: Final = Script("""
local found = {}
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, ARGV[2] - 1)) do
  table.insert(found, {member, redis.call('HGET', ARGV[1] .. member, 'd') or ''})
end
return found
""")

# ttl, pairs of the device
TOUCH: Final = Script(f"""
local user = redis.call('HGET', KEYS[1], 'u')
if not user then
  return 0
end
{NOW}{INDEX}
redis.call('HSET', KEYS[1], 's', now, unpack(ARGV, 2))
redis.call('PEXPIRE', KEYS[1], ARGV[1])
list(user, KEYS[1], ARGV[1])
return 1
""")

# user, or nothing for whosever it is
DELETE: Final = Script(f"""
local user = redis.call('HGET', KEYS[1], 'u')
if not user or (ARGV[1] ~= '' and ARGV[1] ~= user) then
  return 0
end
{INDEX}
unlist(user, KEYS[1])
return redis.call('DEL', KEYS[1])
""")

# The key is the index; prefix
LIST: Final = Script(f"""{NOW}
local found = {{}}
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  local row = redis.call('HMGET', ARGV[1] .. member, 'c', 's', 'i', 'a')
  if row[1] then
    local ending = now + redis.call('PTTL', ARGV[1] .. member)
    table.insert(found, {{member, row[1], row[2], tostring(ending), tostring(now - row[1]), row[3], row[4]}})
  end
end
return found
""")

# The key is the index; prefix, digest of the one that stays
DELETE_ALL: Final = Script("""
local ended = 0
for _, member in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if member ~= ARGV[2] then
    ended = ended + redis.call('DEL', ARGV[1] .. member)
    redis.call('ZREM', KEYS[1], member)
  end
end
return ended
""")
