/** Commands of the limiter, by the names that ioredis has for them. The limiter itself writes those of a turn together. */
export const SCRIPTS = ['sluiceCheck', 'sluiceCharge']

/** Functions that both scripts use. */
const PRELUDE = `
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)

local function read_log(key, window)
  redis.call('ZREMRANGEBYSCORE', key, '-inf', micros - window * 1000)
  redis.call('ZREMRANGEBYSCORE', key, micros + window * 1000, '+inf')
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', key, '(' .. string.format('%.0f', micros), '+inf')) do
    redis.call('ZADD', key, micros, member)
  end
  return redis.call('ZCARD', key)
end

local function write_log(key, window, used, cost)
  -- Two calls within one microsecond differ by how many came before.
  for n = 1, cost do
    redis.call('ZADD', key, micros, string.format('%.0f-%.0f', micros, used + n))
  end
  redis.call('PEXPIRE', key, window)
end

local function read_window(key, window)
  local stored = redis.call('HMGET', key, 'start', 'current', 'previous')
  local start = tonumber(stored[1] or '-inf')
  local current, previous = tonumber(stored[2] or 0), tonumber(stored[3] or 0)
  if math.abs(now - start) >= window * 2 then
    start, current, previous = now, 0, 0
  elseif now - start >= window then
    start, current, previous = start + window, 0, current
  elseif now < start then
    -- Saved also if this request is rejected; otherwise every rejected request would move the window.
    start = now
    redis.call('HSET', key, 'start', start)
  end
  return start, current, previous
end

local function write_window(key, window, start, current, previous)
  redis.call('HSET', key, 'start', start, 'current', current, 'previous', previous)
  redis.call('PEXPIRE', key, window * 2)
end
`

/**
 * KEYS: one for each limit. ARGV: cost, then algorithm (1: log), limit and window (ms) of each limit.
 * Returns allowed, remaining and reset (ms) of each limit. Counts only if all allow. memory-limiter.ts explains the
 * arithmetic.
 *
 * Redis has only the wall clock of its host, which can be set back and changes with a failover. Requests counted in the
 * future then count as of now, or not at all if they are a window (for a counter, two) ahead. So no client waits for the
 * clock to catch up.
 */
export const CHECK = `
${PRELUDE}
local cost = tonumber(ARGV[1])
local reply, counters, allowed_by_all = {}, {}, true

for i, key in ipairs(KEYS) do
  local is_log = ARGV[i * 3 - 1] == '1'
  local limit, window = tonumber(ARGV[i * 3]), tonumber(ARGV[i * 3 + 1])
  local allowed, remaining, reset
  if is_log then
    local used = read_log(key, window)
    local room = limit - cost - used
    allowed, remaining = room >= 0, room
    local rank = allowed and 0 or -room - 1
    local freeing = redis.call('ZRANGE', key, rank, rank, 'WITHSCORES')[2]
    reset = freeing and math.ceil((freeing - micros) / 1000 + window) or window
    counters[i] = used
  else
    local start, current, previous = read_window(key, window)
    counters[i] = { start, current, previous }

    local elapsed = now - start
    local room = limit - cost
    local left = (room - current) * window - previous * (window - elapsed)
    allowed, remaining = left >= 0, math.floor(left / window)
    if allowed then reset = window
    elseif current <= room then reset = window - math.floor((room - current) * window / previous)
    else reset = window * 2 - math.floor(math.max(room, 0) * window / math.max(current, 1)) end
    reset = reset - elapsed
  end
  if not allowed then allowed_by_all, remaining = false, 0 end
  reply[i * 3 - 2], reply[i * 3 - 1], reply[i * 3] = allowed and 1 or 0, remaining, reset
end

for i, key in ipairs(KEYS) do
  local window, counter = tonumber(ARGV[i * 3 + 1]), counters[i]
  if not allowed_by_all then
    if reply[i * 3 - 2] == 1 then reply[i * 3 - 1] = reply[i * 3 - 1] + cost end
  elseif type(counter) == 'table' then
    write_window(key, window, counter[1], counter[2] + cost, counter[3])
  else
    write_log(key, window, counter, cost)
  end
end
return reply
`

/**
 * KEYS: one for each limit. ARGV: algorithm (1: log), window (ms) and cost of each. Counts requests that passed elsewhere,
 * beyond the limit too.
 */
export const CHARGE = `
${PRELUDE}
for i, key in ipairs(KEYS) do
  local window, cost = tonumber(ARGV[i * 3 - 1]), tonumber(ARGV[i * 3])
  if ARGV[i * 3 - 2] == '1' then
    write_log(key, window, read_log(key, window), cost)
  else
    local start, current, previous = read_window(key, window)
    write_window(key, window, start, current + cost, previous)
  end
end
return 1
`
