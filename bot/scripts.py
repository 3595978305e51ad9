"""The inbox's scripts in Lua: each runs in Redis as one step, so none of its invariants is ever half-kept.

Every key is built from the common prefix, which pins all of them to one slot (see `bot.store.PREFIX`).
"""

NOW = """
local function now()
  local t = redis.call('TIME')
  return tonumber(t[1]) + tonumber(t[2]) / 1e6
end
local function wake(k)
  redis.call('LPUSH', k .. 'wake', 1)
  redis.call('LTRIM', k .. 'wake', 0, 63)
end
"""

# Invariant: the decision that a mention is for the bot comes before its mark as seen, in one step. Slack sends
# `message` and `app_mention` for one mention in any order; marked first, an unaddressed copy would hide the other.
# Also a duplicate tells who takes part: Slack's `app_mention` does not name the thread's starter, its `message` does.
# The mark is the call's own name: a call that redis-py sends again, because its reply was lost, is not a duplicate.
# A duplicate renews its mark: a write for WAITAOF to wait on, which covers the first delivery's write too.
# Invariant: a lane with a mention in it is in `ready`; NX leaves a running lease or back-off as it is.
SUBMIT = (
    NOW
    + """
local k = KEYS[1]
local call, raw, id, conversation, link, author, addressed, sent_at = unpack(ARGV, 1, 8)
local seen_ttl, turn_ttl, history_ttl = unpack(ARGV, 9, 11)
if link ~= '' then conversation = redis.call('GET', k .. 'link:' .. link) or conversation end
local people = k .. 'people:' .. conversation
if addressed == '0' and redis.call('EXISTS', people) == 0 then return 'ignored' end
redis.call('SADD', people, author, unpack(ARGV, 12))
redis.call('EXPIRE', people, history_ttl)
local seen = k .. 'seen:' .. id
local mark = redis.call('GET', seen)
if mark then
  redis.call('SET', seen, mark, 'EX', seen_ttl)
  return mark == call and 'accepted' or 'duplicate'
end
if addressed == '0' and redis.call('SCARD', people) > 1 then return 'ignored' end
local at = now()
redis.call('SET', seen, call, 'EX', seen_ttl)
redis.call('HSET', k .. 'turn:' .. id, 'accepted', at)
redis.call('EXPIRE', k .. 'turn:' .. id, turn_ttl)
redis.call('ZADD', k .. 'lane:' .. conversation, sent_at, raw)
if redis.call('ZADD', k .. 'ready', 'NX', at, conversation) == 1 then wake(k) end
return 'accepted'
"""
)

# Invariant: a lane is given to one claimer: its score leaves the past in the same step that hands it out, and the
# token is new, so whatever an earlier holder still does is refused.
# A lane whose keys are of another type (somebody's hand) is parked for an hour and reported: it must not stop others.
# Where fewer lanes were due than asked for, none is left due, and every token in `wake` is stale.
CLAIM = (
    NOW
    + """
local k = KEYS[1]
local most, lease, turn_ttl = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local at = now()
local claims, parked = {}, {}
local due = redis.call('ZRANGEBYSCORE', k .. 'ready', '-inf', at, 'LIMIT', 0, most)
for _, conversation in ipairs(due) do
  local heads = redis.pcall('ZRANGE', k .. 'lane:' .. conversation, 0, 0)
  local said = redis.pcall('LRANGE', k .. 'history:' .. conversation, 0, -1)
  if heads.err or said.err then
    redis.call('ZADD', k .. 'ready', at + 3600, conversation)
    table.insert(parked, conversation)
  elseif heads[1] then
    local raw = heads[1]
    local token = redis.call('INCR', k .. 'token')
    redis.call('HSET', k .. 'owner', conversation, token)
    redis.call('ZADD', k .. 'ready', at + lease, conversation)
    local ok, event = pcall(cjson.decode, raw)
    local id = ok and type(event) == 'table' and event.event_id
    if type(id) ~= 'string' then id = redis.sha1hex(raw) end
    local turn = k .. 'turn:' .. id
    if type(redis.pcall('HINCRBY', turn, 'tries', 1)) == 'table' then
      redis.call('DEL', turn)
      redis.call('HINCRBY', turn, 'tries', 1)
    end
    redis.call('EXPIRE', turn, turn_ttl)
    table.insert(claims, {conversation, tostring(token), raw, id, redis.call('HGETALL', turn), said})
  else
    redis.call('ZREM', k .. 'ready', conversation)
    redis.call('HDEL', k .. 'owner', conversation)
  end
end
if #due < most then redis.call('DEL', k .. 'wake') end
local next_due = redis.call('ZRANGE', k .. 'ready', 0, 0, 'WITHSCORES')[2]
return {claims, next_due and tostring(tonumber(next_due) - at) or '', tostring(at), parked}
"""
)

# Invariant: only the holder of the newest token changes anything of its lane.
RENEW = (
    NOW
    + """
local k, conversation, token = KEYS[1], ARGV[1], ARGV[2]
if redis.call('HGET', k .. 'owner', conversation) ~= token then return 0 end
redis.call('ZADD', k .. 'ready', now() + tonumber(ARGV[3]), conversation)
return 1
"""
)

NOTE = """
local k, conversation, token, id, name, value, link, turn_ttl, history_ttl = KEYS[1], unpack(ARGV)
if redis.call('HGET', k .. 'owner', conversation) ~= token then return 0 end
redis.call('HSET', k .. 'turn:' .. id, name, value)
redis.call('EXPIRE', k .. 'turn:' .. id, turn_ttl)
if link ~= '' then redis.call('SET', k .. 'link:' .. link, conversation, 'EX', history_ttl) end
return 1
"""

# `settled` lets a call that redis-py sends again, because its reply was lost, find that it was done.
# Invariant: the history grows in the same step that takes the mention off its lane, so a retry never adds it twice.
DONE = (
    NOW
    + """
local k, conversation, token, id, raw, dead = KEYS[1], unpack(ARGV, 1, 5)
local turn_ttl, history_ttl, history_max, history_bytes, dead_ttl, dead_max = unpack(ARGV, 6, 11)
local turn = k .. 'turn:' .. id
if redis.call('HGET', k .. 'owner', conversation) ~= token then
  return redis.call('HGET', turn, 'settled') == token and 1 or 0
end
redis.call('HSET', turn, 'settled', token)
redis.call('EXPIRE', turn, turn_ttl)
local lane, history = k .. 'lane:' .. conversation, k .. 'history:' .. conversation
redis.call('ZREM', lane, raw)
if #ARGV > 11 then
  redis.call('RPUSH', history, unpack(ARGV, 12))
  local newest, kept, bytes = redis.call('LRANGE', history, -tonumber(history_max), -1), 0, 0
  for at = #newest, 1, -1 do
    bytes = bytes + #newest[at]
    if kept > 0 and bytes > tonumber(history_bytes) then break end
    kept = kept + 1
  end
  redis.call('LTRIM', history, -kept, -1)
  redis.call('EXPIRE', history, history_ttl)
  redis.call('EXPIRE', k .. 'people:' .. conversation, history_ttl)
end
if dead ~= '' then
  redis.call('LPUSH', k .. 'dead', dead)
  redis.call('LTRIM', k .. 'dead', 0, tonumber(dead_max) - 1)
  redis.call('EXPIRE', k .. 'dead', dead_ttl)
end
redis.call('HDEL', k .. 'owner', conversation)
if redis.call('ZCARD', lane) == 0 then
  redis.call('ZREM', k .. 'ready', conversation)
else
  redis.call('ZADD', k .. 'ready', now(), conversation)
  wake(k)
end
return 1
"""
)

# A mention that is put back on purpose was not the death of its worker: its try is not counted.
AGAIN = (
    NOW
    + """
local k, conversation, token, id, delay, wrote, turn_ttl = KEYS[1], unpack(ARGV)
local turn = k .. 'turn:' .. id
if redis.call('HGET', k .. 'owner', conversation) ~= token then
  return redis.call('HGET', turn, 'settled') == token and 1 or 0
end
redis.call('HSET', turn, 'settled', token)
redis.call('HDEL', k .. 'owner', conversation)
redis.call('HINCRBY', turn, 'tries', -1)
redis.call('HINCRBY', turn, 'again', 1)
if wrote == '1' then redis.call('HSET', turn, 'wrote', 1) end
redis.call('EXPIRE', turn, turn_ttl)
redis.call('ZADD', k .. 'ready', now() + tonumber(delay), conversation)
if tonumber(delay) == 0 then wake(k) end
return 1
"""
)
