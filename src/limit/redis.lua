-- Reads and changes the buckets of one call together: all of them or none. Times are in microseconds of this
-- server's clock. The keys of a call belong to one organization and carry it as their hash tag.
--
-- ARGV: the task, its number, and for each key: the emission interval, the burst tolerance, the caller's backlog, the
-- time for which the caller has it blocked (these two only after an outage of this server), and the maximum backlog.
--
-- After a failover this server may not be the one that wrote a key, and its clock may differ. Each key holds the time
-- of its last change: one in the future shows by how much this clock is behind. The backlog never exceeds a burst.
--   take      takes a permit when all buckets have room
--   return    returns a permit that was just taken
--   block     blocks the buckets for `number`
--   count     maintains the list of processes at its only key, each for `number`; the next argument is the caller;
--             returns their count
-- Returns 1 or 0 (taken or not), and for each key its backlog and the time for which it is blocked.
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local task, number = ARGV[1], tonumber(ARGV[2])

local function integer(value)
  return string.format('%.0f', value)
end

if task == 'count' then
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '(' .. integer(now), '+inf')
  redis.call('ZADD', KEYS[1], integer(now), ARGV[3])
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', integer(now - number))
  redis.call('PEXPIRE', KEYS[1], integer(math.ceil(number / 1000)))
  return { redis.call('ZCARD', KEYS[1]) }
end

local wait, buckets = 0, {}
for i, key in ipairs(KEYS) do
  local arg = 5 * i - 2
  local stored = redis.call('HMGET', key, 'paid_at', 'blocked_until', 'changed_at')
  local behind = math.max(tonumber(stored[3] or '0') - now, 0)
  local tat = math.min(tonumber(stored[1] or '0') - behind, now + tonumber(ARGV[arg + 4]))
  local bucket = {
    emission_interval = tonumber(ARGV[arg]),
    tat = math.max(tat, now + tonumber(ARGV[arg + 2])),
    blocked_until = math.max(tonumber(stored[2] or '0') - behind, now + tonumber(ARGV[arg + 3])),
  }
  if task == 'block' then
    bucket.blocked_until = math.max(bucket.blocked_until, now + number)
  elseif task == 'return' and bucket.tat - bucket.emission_interval >= now then
    bucket.tat = bucket.tat - bucket.emission_interval
  end
  local blocked = bucket.blocked_until - now
  local backlog_then = math.max(bucket.tat - now - blocked, 0)
  wait = math.max(wait, blocked + math.max(backlog_then - tonumber(ARGV[arg + 1]), 0))
  buckets[i] = bucket
end

local taken = task == 'take' and wait <= 0
local reply = { taken and 1 or 0 }
for i, key in ipairs(KEYS) do
  local bucket = buckets[i]
  if taken then
    bucket.tat = bucket.tat + bucket.emission_interval
  end
  local ttl = math.max(bucket.tat, bucket.blocked_until) - now
  if ttl > 0 then
    redis.call('HSET', key, 'paid_at', integer(bucket.tat), 'blocked_until', integer(bucket.blocked_until),
      'changed_at', integer(now))
    redis.call('PEXPIRE', key, integer(math.ceil(ttl / 1000) + 1))
  end
  reply[2 * i] = math.ceil(bucket.tat - now)
  reply[2 * i + 1] = math.ceil(bucket.blocked_until - now)
end
return reply
