"""The Lua behind `bot.shared`; beside each script stands what it keeps true."""

from typing import Final

# Invariant: of many adders one gets 1, of many takers one. The mark lets a call that redis-py sends again, because its
# reply was lost, find that it was done; else nobody would have got it.
ADD: Final = """
if redis.call('EXISTS', KEYS[2]) == 1 then return 1 end
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 0 end
redis.call('SET', KEYS[2], 1, 'PX', ARGV[3])
return 1
"""

TAKE: Final = """
if redis.call('EXISTS', KEYS[2]) == 1 then return 1 end
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], 1, 'PX', ARGV[2])
return 1
"""

# Invariant: only who put a value makes it last longer, or end; what another one put there meanwhile stays as it is.
EXTEND: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""

LOCK: Final = """
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
return redis.call('GET', KEYS[1]) == ARGV[1] and 1 or 0
"""

# Invariant: only its holder ends a lock; a holder that was too slow must not end the next one's.
UNLOCK: Final = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"""

MICROS: Final = """
local function micros()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1e6 + tonumber(t[2])
end
"""

# The generic cell rate algorithm: one number, the time at which the budget is full again, in whole microseconds (below
# 2^53, so exact in Lua). Invariant: it is at most `burst` intervals ahead, also after the server's clock was set back
# or the budget made smaller, so no window grants more than `burst` plus its length over the interval.
SPEND: Final = (
    MICROS
    + """
local interval, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local now, most = micros(), interval * burst
local function store(full_at)
  redis.call('SET', KEYS[1], string.format('%.0f', full_at), 'PX', math.ceil((full_at - now) / 1000))
end
local full_at = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now)
if full_at > now + most then
  full_at = now + most
  store(full_at)
end
full_at = full_at + interval
local latest = now + most - interval * tonumber(ARGV[3])
if full_at > latest then return full_at - latest end
store(full_at)
return 0
"""
)
