"""The inbox's scripts in Lua: each runs in Redis as one step, so none of its invariants is ever half-kept.

Here are those of who claims lanes, and what all share; `arrivals` has those of what comes in.

Every key is built from the common prefix, which pins all of them to one slot (see `bot.store.PREFIX`). What people
wrote may be sealed, so scripts go by ids alone.
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

# The owner's token names the event that it was given for: an older mention may have come into the lane since, so the
# lane's head is not always what is worked on. A lease that lapsed has no holder. That a channel is forbidden to this
# user (an ACL) must not undo a mark: the renewal of the lease finds it.
LANE = """
local function linked(k, conversation, names, from)
  for at = from, #names do
    if names[at] ~= '' then conversation = redis.call('GET', k .. 'link:' .. names[at]) or conversation end
  end
  return conversation
end
local function holder(k, conversation)
  local token = redis.call('HGET', k .. 'owner', conversation)
  local due = token and redis.call('ZSCORE', k .. 'ready', conversation)
  return token and string.match(token, '^%d+ (.*)$'), due and tonumber(due) > now()
end
local function decoded(raw)
  local ok, event = pcall(cjson.decode, raw)
  return ok and type(event) == 'table' and type(event.event_id) == 'string' and event or {}
end
local function tell(k, conversation, id, name, value)
  redis.pcall('PUBLISH', k .. 'stops', cjson.encode({conversation = conversation, event_id = id, [name] = value}))
end
"""

# Every event is counted in the step that takes it into its lane and in the step that takes it off: what the sums do not
# account for is what the store has lost.
TALLY = """
local function tally(k, what, by) redis.call('HINCRBY', k .. 'tally', what, by or 1) end
"""

# Invariant: a lane is given to one claimer: its score leaves the past in the same step that hands it out, and the
# token is new, so whatever an earlier holder still does is refused.
# A lane whose keys are of another type (somebody's hand) is parked for an hour and reported: it must not stop others.
# Where fewer lanes were due than asked for, none is left due, and every token in `wake` is stale.
# What a call gave out whose reply was lost, nobody works on: it is taken back here, and that was no try. This very call
# is among those that are named, for redis-py may send it again.
# What was `missed` after the mention was written is left to the next one: a thread is read up to the mention.
CLAIM = (
    NOW
    + LANE
    + """
local k = KEYS[1]
local most, lease, turn_ttl, call = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]
local at = now()
local claims, parked = {}, {}
local lost = {}
for arg = 4, #ARGV do
  for _, number in ipairs(redis.call('LRANGE', k .. 'given:' .. ARGV[arg], 0, -1)) do
    lost[number] = true
    redis.call('DEL', k .. 'given:' .. ARGV[arg])
  end
end
local owners = next(lost) and redis.call('HGETALL', k .. 'owner') or {}
for n = 1, #owners, 2 do
  local number, id = string.match(owners[n + 1], '^(%d+) (.*)$')
  if lost[number] then
    redis.call('ZADD', k .. 'ready', 'XX', 'LT', at, owners[n])
    redis.pcall('HINCRBY', k .. 'turn:' .. id, 'tries', -1)
  end
end
local due = redis.call('ZRANGEBYSCORE', k .. 'ready', '-inf', at, 'LIMIT', 0, most)
for _, conversation in ipairs(due) do
  local lane = k .. 'lane:' .. conversation
  local heads = redis.pcall('ZRANGE', lane, 0, 0)
  local said = redis.pcall('LRANGE', k .. 'history:' .. conversation, 0, -1)
  if heads.err or said.err then
    redis.call('ZADD', k .. 'ready', at + 3600, conversation)
    table.insert(parked, conversation)
  elseif heads[1] then
    local raw = heads[1]
    local id = decoded(raw).event_id or redis.sha1hex(raw)
    local number = redis.call('INCR', k .. 'token')
    local token = number .. ' ' .. id
    redis.call('HSET', k .. 'owner', conversation, token)
    redis.call('RPUSH', k .. 'given:' .. call, number)
    redis.call('ZADD', k .. 'ready', at + lease, conversation)
    local turn = k .. 'turn:' .. id
    if type(redis.pcall('HINCRBY', turn, 'tries', 1)) == 'table' then
      redis.call('DEL', turn)
      redis.call('HINCRBY', turn, 'tries', 1)
    end
    redis.call('EXPIRE', turn, turn_ttl)
    local edited = redis.call('HGET', turn, 'edited')
    if edited then
      redis.call('ZADD', lane, redis.call('ZSCORE', lane, raw), edited)
      if edited ~= raw then redis.call('ZREM', lane, raw) end
      redis.call('HDEL', turn, 'answer', 'edited')
      raw = edited
    end
    local anew = redis.call('EXISTS', k .. 'anew:' .. conversation)
    local written = redis.call('ZSCORE', lane, raw)
    local missed = redis.pcall('ZRANGEBYSCORE', k .. 'missed:' .. conversation, '-inf', written)
    if missed.err then missed = {} end
    table.insert(claims, {conversation, token, raw, id, redis.call('HGETALL', turn), said, anew, missed})
  else
    redis.call('ZREM', k .. 'ready', conversation)
    redis.call('HDEL', k .. 'owner', conversation)
  end
end
if claims[1] then redis.call('EXPIRE', k .. 'given:' .. call, math.ceil(lease)) end
if #due < most then redis.call('DEL', k .. 'wake') end
local next_due = redis.call('ZRANGE', k .. 'ready', 0, 0, 'WITHSCORES')[2]
return {claims, next_due and tostring(tonumber(next_due) - at) or '', tostring(at), parked}
"""
)

# Invariant: only the holder of the newest token changes anything of its lane.
# It also brings what a message on the channel may have failed to: that the turn was stopped or withdrawn.
RENEW = (
    NOW
    + """
local k, conversation, token, id = KEYS[1], ARGV[1], ARGV[2], ARGV[4]
if redis.call('HGET', k .. 'owner', conversation) ~= token then return {0} end
redis.call('ZADD', k .. 'ready', now() + tonumber(ARGV[3]), conversation)
local turn = redis.call('HMGET', k .. 'turn:' .. id, 'stopped', 'withdrawn')
return {1, turn[1] or '', turn[2] or ''}
"""
)

NOTE = """
local k, conversation, token, id, link, turn_ttl, history_ttl = KEYS[1], unpack(ARGV, 1, 6)
if redis.call('HGET', k .. 'owner', conversation) ~= token then return 0 end
redis.call('HSET', k .. 'turn:' .. id, unpack(ARGV, 7))
redis.call('EXPIRE', k .. 'turn:' .. id, turn_ttl)
if link ~= '' then redis.call('SET', k .. 'link:' .. link, conversation, 'EX', history_ttl) end
return 1
"""

# `settled` lets a call that redis-py sends again, because its reply was lost, find that it was done.
# Invariant: the history grows in the same step that takes the mention off its lane, so a retry never adds it twice.
# Invariant: what was withdrawn, or forgotten with its conversation while it ran, does not come into the history, and
# what was withdrawn is not filed. A withdrawal that its worker has not heard of is told it here (2), with nothing done:
# what it wrote is to be removed. The answer has no use after that, and does not stay.
DONE = (
    NOW
    + TALLY
    + """
local k, conversation, token, id, raw, dead = KEYS[1], unpack(ARGV, 1, 5)
local turn_ttl, history_ttl, history_max, history_bytes, dead_ttl, dead_max = unpack(ARGV, 6, 11)
local change = ARGV[12]
local turn = k .. 'turn:' .. id
if redis.call('HGET', k .. 'owner', conversation) ~= token then
  return redis.call('HGET', turn, 'settled') == token and 1 or 0
end
local heard = 15 + 2 * tonumber(ARGV[13])
local added = heard + tonumber(ARGV[14])
if (#ARGV >= added or dead ~= '') and redis.call('HEXISTS', turn, 'withdrawn') == 1 then return 2 end
redis.call('HSET', turn, 'settled', token)
redis.call('HDEL', turn, 'answer', 'edited')
redis.call('EXPIRE', turn, turn_ttl)
local lane, history = k .. 'lane:' .. conversation, k .. 'history:' .. conversation
if redis.call('ZREM', lane, raw) == 1 then
  tally(k, change == '1' and 'followed' or dead ~= '' and 'failed'
    or redis.call('HEXISTS', turn, 'withdrawn') == 1 and 'withdrawn' or 'answered')
end
for at = 15, heard - 1, 2 do
  local old, new = ARGV[at], ARGV[at + 1]
  local place = new ~= '' and redis.call('LPOS', history, old)
  if place then redis.call('LSET', history, place, new) end
  if new == '' then redis.call('LREM', history, 1, old) end
end
if added > heard then redis.call('ZREM', k .. 'missed:' .. conversation, unpack(ARGV, heard, added - 1)) end
if #ARGV >= added and redis.call('HEXISTS', turn, 'forgotten') == 0 then
  redis.call('RPUSH', history, unpack(ARGV, added))
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

# A mention that is put back on purpose was not the death of its worker: its try is not counted. One that somebody has
# stopped or deleted meanwhile waits for no back-off: what they want is due at once. An attempt that was claimed with
# such marks has tried just that, so it waits as any other; else it would go round without a pause.
AGAIN = (
    NOW
    + """
local k, conversation, token, id, delay, wrote, marks, turn_ttl = KEYS[1], unpack(ARGV)
local turn = k .. 'turn:' .. id
if redis.call('HGET', k .. 'owner', conversation) ~= token then
  return redis.call('HGET', turn, 'settled') == token and 1 or 0
end
local stand = redis.call('HEXISTS', turn, 'stopped') + redis.call('HEXISTS', turn, 'withdrawn')
if stand > tonumber(marks) then delay = '0' end
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

# Deletes what was said in a conversation. A turn that runs is left to finish, and does not come into the new history;
# one that waits begins it. One whose lease has lapsed waits: who held it, and may have read what is deleted here, is
# refused from then on. Who takes part stays known, so that follow-ups go on; and `anew` keeps the bot from reading
# the very thread again that it was told to forget.
FORGET = (
    NOW
    + LANE
    + """
local k, conversation, turn_ttl, anew_ttl = KEYS[1], unpack(ARGV)
local running, live = holder(k, conversation)
if live and running then
  redis.call('HSET', k .. 'turn:' .. running, 'forgotten', 1)
  redis.call('EXPIRE', k .. 'turn:' .. running, turn_ttl)
else
  redis.call('HDEL', k .. 'owner', conversation)
end
redis.call('SET', k .. 'anew:' .. conversation, now(), 'EX', anew_ttl)
redis.call('DEL', k .. 'missed:' .. conversation)
return redis.call('DEL', k .. 'history:' .. conversation)
"""
)

# Deletes lanes with all that waits in them; whoever works on one is refused from now on.
EMPTY = (
    TALLY
    + """
local k = KEYS[1]
for _, conversation in ipairs(ARGV) do
  local lane = k .. 'lane:' .. conversation
  local waiting = redis.pcall('ZCARD', lane)
  if type(waiting) == 'number' and waiting > 0 then tally(k, 'forgotten', waiting) end
  redis.call('DEL', lane)
  redis.call('ZREM', k .. 'ready', conversation)
  redis.call('HDEL', k .. 'owner', conversation)
end
return #ARGV
"""
)

# Puts a mention that was given up back into its lane, as accepted now. What its turn knows of messages stays, so that
# the answer takes the place of the sentence that said there would be none; `wrote` has the next attempt look for it.
# Invariant: a letter goes back at most once, also where the call comes twice.
RETRY = (
    NOW
    + TALLY
    + """
local k, letter, conversation, id, raw, sent_at, turn_ttl = KEYS[1], unpack(ARGV)
if redis.call('LREM', k .. 'dead', 1, letter) == 0 then return 0 end
local turn = k .. 'turn:' .. id
redis.call('HDEL', turn, 'tries', 'again', 'settled', 'answer', 'edited', 'stopped', 'withdrawn', 'forgotten')
redis.call('HSET', turn, 'accepted', now(), 'wrote', 1)
redis.call('EXPIRE', turn, turn_ttl)
tally(k, 'accepted', redis.call('ZADD', k .. 'lane:' .. conversation, sent_at, raw))
if redis.call('ZADD', k .. 'ready', 'NX', now(), conversation) == 1 then wake(k) end
return 1
"""
)

# What was counted, and how much waits: both of one moment. A lane of another type (somebody's hand) holds nothing.
# Where nothing was counted yet, an earlier version may have left something waiting: the count begins with that.
BALANCE = """
local k, waiting = KEYS[1], 0
for _, conversation in ipairs(redis.call('ZRANGE', k .. 'ready', 0, -1)) do
  local card = redis.pcall('ZCARD', k .. 'lane:' .. conversation)
  if type(card) == 'number' then waiting = waiting + card end
end
if redis.call('EXISTS', k .. 'tally') == 0 then redis.call('HSET', k .. 'tally', 'accepted', waiting) end
return {waiting, redis.call('HGETALL', k .. 'tally')}
"""
