"""The inbox's scripts in Lua for what comes in: a mention, a change of a message, the wish that an answer stops.

See `bot.inbox.scripts`.
"""

from bot.inbox.scripts import LANE, NOW, TALLY

# Invariant: the decision that a mention is for the bot comes before its mark as seen, in one step. Slack sends
# `message` and `app_mention` for one mention in any order; marked first, an unaddressed copy would hide the other.
# Also a duplicate tells who takes part: Slack's `app_mention` does not name the thread's starter, its `message` does.
# The mark is the call's own name: a call that redis-py sends again, because its reply was lost, is not a duplicate.
# A duplicate renews its mark: a write for WAITAOF to wait on, which covers the first delivery's write too.
# Invariant: a lane with a mention in it is in `ready`; NX leaves a running lease or back-off as it is.
# A reply's own message is linked (`own`) to the conversation that it joins, because its deletion names nothing else.
# Invariant: a mention whose deletion came first is not taken, and one whose edit came first is taken as edited.
# Who asks for a private answer, or for another one, does not take part in the conversation by that (`joins`).
# What is not for the bot where several people talk is `missed`: the next mention there has it read from the platform.
# Not what was written before the conversation was forgotten, and comes again: the thread is read from there on.
SUBMIT = (
    NOW
    + LANE
    + TALLY
    + """
local k = KEYS[1]
local call, raw, id, conversation, link, author, addressed, sent_at = unpack(ARGV, 1, 8)
local joins, gone, talks, seen_ttl, turn_ttl, history_ttl, own, message, missed_max = unpack(ARGV, 9, 17)
conversation = linked(k, conversation, {link}, 1)
local people, seen = k .. 'people:' .. conversation, k .. 'seen:' .. id
local mark = redis.call('GET', seen)
if not mark and gone ~= '' and redis.call('EXISTS', k .. 'gone:' .. gone) == 1 then return 'ignored' end
if joins == '1' then
  if addressed == '0' and redis.call('EXISTS', people) == 0 then return 'ignored' end
  redis.call('SADD', people, author, unpack(ARGV, 18))
  redis.call('EXPIRE', people, history_ttl)
end
if mark then
  redis.call('SET', seen, mark, 'EX', seen_ttl)
  return mark == call and 'accepted' or 'duplicate'
end
if joins == '1' and addressed == '0' and redis.call('SCARD', people) > 1 then
  if tonumber(sent_at) < tonumber(redis.call('GET', k .. 'anew:' .. conversation) or 0) then return 'ignored' end
  local missed = k .. 'missed:' .. conversation
  redis.call('ZADD', missed, sent_at, message)
  redis.call('ZREMRANGEBYRANK', missed, 0, -1 - missed_max)
  redis.call('EXPIRE', missed, history_ttl)
  return 'ignored'
end
if gone ~= '' then raw = redis.call('GETDEL', k .. 'edited:' .. gone) or raw end
local at = now()
redis.call('SET', seen, call, 'EX', seen_ttl)
redis.call('HSET', k .. 'turn:' .. id, 'accepted', at)
redis.call('EXPIRE', k .. 'turn:' .. id, turn_ttl)
if talks ~= '' then
  redis.call('SADD', k .. 'talks:' .. talks, conversation)
  redis.call('EXPIRE', k .. 'talks:' .. talks, history_ttl)
end
if own ~= '' then redis.call('SET', k .. 'link:' .. own, conversation, 'EX', history_ttl) end
tally(k, 'accepted', redis.call('ZADD', k .. 'lane:' .. conversation, sent_at, raw))
if redis.call('ZADD', k .. 'ready', 'NX', at, conversation) == 1 then wake(k) end
return 'accepted'
"""
)

# A message was edited (`entry` is the mention as it reads now) or deleted (`entry` is empty).
# Invariant: a mention is replaced or taken off its lane only where nobody works on it; whoever held it before, with a
# lease that has lapsed, is refused from then on. One that was ever claimed may have messages in the thread, so its
# deletion is left in the turn for the next holder, who removes them.
# Invariant: the history is changed by the lane's holder alone. What concerns it waits in the lane, behind what runs.
# A holder whose lease has lapsed may still settle with what it has read, so the change waits behind that as well.
# Who works on a mention goes on with the text that it read; should that attempt fail, the next claim reads `edited`.
# Edits may come in another order than they were made, as where one was refused and is sent again: the newest counts.
# A deleted message that was given up is taken off that list as well: what people delete is kept nowhere. An edited one
# stands there as it reads now, for whoever takes it up again; edits are many, so only of conversations that are known.
CHANGE = (
    NOW
    + LANE
    + TALLY
    + """
local k = KEYS[1]
local call, id, conversation, message, entry, change, at, gone = unpack(ARGV, 1, 8)
local seen_ttl, turn_ttl, gone_ttl = unpack(ARGV, 9, 11)
conversation = linked(k, conversation, ARGV, 12)
local seen = k .. 'seen:' .. id
local mark = redis.call('GET', seen)
if mark then
  redis.call('SET', seen, mark, 'EX', seen_ttl)
  return string.sub(mark, 1, #call + 1) == call .. ' ' and string.sub(mark, #call + 2) or 'duplicate'
end
local function settled(outcome)
  redis.call('SET', seen, call .. ' ' .. outcome, 'EX', seen_ttl)
  return outcome
end
local function withdraw(turn)
  redis.call('HSET', turn, 'withdrawn', 1)
  redis.call('EXPIRE', turn, turn_ttl)
end
local lane, ready, history = k .. 'lane:' .. conversation, k .. 'ready', k .. 'history:' .. conversation
local running, live = holder(k, conversation)
local function follow()
  tally(k, 'changes', redis.call('ZADD', lane, at, change))
  redis.call('HSET', k .. 'turn:' .. id, 'accepted', now())
  redis.call('EXPIRE', k .. 'turn:' .. id, turn_ttl)
  if redis.call('ZADD', ready, 'NX', now(), conversation) == 1 then wake(k) end
  return settled('accepted')
end
local function is_newest(turn)
  local newest = redis.call('HGET', turn, 'edited_at')
  if newest and tonumber(at) < tonumber(newest) then return false end
  redis.call('HSET', turn, 'edited_at', at)
  redis.call('EXPIRE', turn, turn_ttl)
  return true
end
local function refile()
  for place, letter in ipairs(redis.call('LRANGE', k .. 'dead', 0, -1)) do
    -- Looked for as text first, which takes 3 ms where there are 1,000: hardly any change is about one of them.
    local filed = string.find(letter, message, 1, true) and decoded(letter) or {}
    local event = filed.conversation == conversation and decoded(filed.event) or {}
    if event.message_id == message and (event.replaces or '') == '' then
      if entry == '' then
        redis.call('LREM', k .. 'dead', 1, letter)
      elseif is_newest(k .. 'turn:' .. event.event_id) then
        filed.event = entry
        redis.call('LSET', k .. 'dead', place - 1, cjson.encode(filed))
      end
      return true
    end
  end
  return false
end
for _, raw in ipairs(redis.call('ZRANGE', lane, 0, -1)) do
  local event = decoded(raw)
  if event.message_id == message and (event.replaces or '') == '' then
    local turn = k .. 'turn:' .. event.event_id
    if running == event.event_id and live then
      if entry ~= '' then
        if is_newest(turn) then redis.call('HSET', turn, 'edited', entry) end
        return follow()
      end
      withdraw(turn)
      tell(k, conversation, running, 'withdrawn', true)
      return settled('accepted')
    end
    if running == event.event_id then redis.call('HDEL', k .. 'owner', conversation) end
    if entry ~= '' then
      if not is_newest(turn) then return settled('ignored') end
      local score = redis.call('ZSCORE', lane, raw)
      redis.call('ZREM', lane, raw)
      redis.call('ZADD', lane, score, entry)
      redis.call('HDEL', turn, 'answer', 'edited')
      return settled('accepted')
    end
    if redis.call('HEXISTS', turn, 'tries') == 1 then
      withdraw(turn)
      redis.call('ZADD', ready, 'XX', 'LT', now(), conversation)
      wake(k)
      return settled('accepted')
    end
    redis.call('ZREM', lane, raw)
    tally(k, 'withdrawn')
    if redis.call('ZCARD', lane) == 0 then
      redis.call('ZREM', ready, conversation)
      redis.call('HDEL', k .. 'owner', conversation)
      if redis.call('EXISTS', history) == 0 then redis.call('DEL', k .. 'people:' .. conversation) end
    end
    return settled('withdrawn')
  end
end
local refiled = entry ~= '' and redis.call('EXISTS', k .. 'people:' .. conversation) == 1 and refile()
if entry == '' then
  redis.call('SET', k .. 'gone:' .. gone, 1, 'EX', gone_ttl)
  refile()
elseif redis.call('EXISTS', k .. 'seen:' .. (decoded(entry).event_id or '')) == 0 then
  redis.call('SET', k .. 'edited:' .. gone, entry, 'EX', gone_ttl)
end
if running or redis.call('EXISTS', history) == 1 then return follow() end
return refiled and settled('accepted') or 'ignored'
"""
)

# Marks the turn that is worked on, or the first that waits, and tells all workers; a change that is worked on has no
# answer that could end. The mark stays: whoever claims the mention after its worker died sees it. One that waits is due
# at once, also out of a back-off.
STOP = (
    NOW
    + LANE
    + """
local k, conversation, by, turn_ttl = KEYS[1], unpack(ARGV, 1, 3)
conversation = linked(k, conversation, ARGV, 4)
local running, live = holder(k, conversation)
local id
for _, raw in ipairs(redis.call('ZRANGE', k .. 'lane:' .. conversation, 0, -1)) do
  local event = decoded(raw)
  local mention = not event.change and event.event_id
  if mention and (not id or live and mention == running) then id = mention end
end
if not id then return 'ignored' end
redis.call('HSETNX', k .. 'turn:' .. id, 'stopped', by)
redis.call('EXPIRE', k .. 'turn:' .. id, turn_ttl)
if live then
  tell(k, conversation, id, 'stopped', by)
else
  redis.call('ZADD', k .. 'ready', 'XX', 'LT', now(), conversation)
  wake(k)
end
return 'accepted'
"""
)
