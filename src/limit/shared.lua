-- One call's budgets, looked at and changed together: all of them or none. Times are in microseconds of
-- this server's clock. The keys of a call are of one organization and carry it as their hash tag.
--
-- ARGV: what to do, a number for it, and for each key its period, its room, what the caller knows to be
-- owed and for how long it knows it to be blocked (these two after this server was away), and the most that can
-- be owed.
--
-- After a fail-over this may be another server than the one that wrote a key, with another clock. Each key holds
-- the moment of its last change: one in the future shows by how much this clock is behind, and what is owed can't
-- be more than a burst in any case.
--   take      takes a call when all budgets have room
--   return    gives a call back that was taken a moment ago
--   block     gives no call for the number's time
--   count     keeps a list of the processes at the one key, each for the number's time; the next argument is
--             the asking one; answers how many there are
-- Answers 1 or 0 (taken or not), and for each key what is owed and for how long it is blocked.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local task, number = ARGV[1], tonumber(ARGV[2])

local function plain(value)
  return string.format('%.0f', value)
end

if task == 'count' then
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '(' .. plain(now), '+inf')
  redis.call('ZADD', KEYS[1], plain(now), ARGV[3])
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', plain(now - number))
  redis.call('PEXPIRE', KEYS[1], plain(math.ceil(number / 1000)))
  return { redis.call('ZCARD', KEYS[1]) }
end

local wait, budgets = 0, {}
for i, key in ipairs(KEYS) do
  local at = 5 * i - 2
  local known = redis.call('HMGET', key, 'paid_at', 'blocked_until', 'changed_at')
  local behind = math.max(tonumber(known[3] or '0') - now, 0)
  local paid_at = math.min(tonumber(known[1] or '0') - behind, now + tonumber(ARGV[at + 4]))
  local budget = {
    period = tonumber(ARGV[at]),
    paid_at = math.max(paid_at, now + tonumber(ARGV[at + 2])),
    blocked_until = math.max(tonumber(known[2] or '0') - behind, now + tonumber(ARGV[at + 3])),
  }
  if task == 'block' then
    budget.blocked_until = math.max(budget.blocked_until, now + number)
  elseif task == 'return' and budget.paid_at - budget.period >= now then
    budget.paid_at = budget.paid_at - budget.period
  end
  local blocked = budget.blocked_until - now
  local owed_then = math.max(budget.paid_at - now - blocked, 0)
  wait = math.max(wait, blocked + math.max(owed_then - tonumber(ARGV[at + 1]), 0))
  budgets[i] = budget
end

local taken = task == 'take' and wait <= 0
local answer = { taken and 1 or 0 }
for i, key in ipairs(KEYS) do
  local budget = budgets[i]
  if taken then
    budget.paid_at = budget.paid_at + budget.period
  end
  local keep = math.max(budget.paid_at, budget.blocked_until) - now
  if keep > 0 then
    redis.call('HSET', key, 'paid_at', plain(budget.paid_at), 'blocked_until', plain(budget.blocked_until),
      'changed_at', plain(now))
    redis.call('PEXPIRE', key, plain(math.ceil(keep / 1000) + 1))
  end
  answer[2 * i] = math.ceil(budget.paid_at - now)
  answer[2 * i + 1] = math.ceil(budget.blocked_until - now)
end
return answer
