import type { FastifyBaseLogger } from 'fastify'
import type { Redis } from 'ioredis'
import { type Limiter, readDecision, type Tier } from './limiter.ts'
import { createRemoteLimiter } from './remote.ts'

/**
 * Limits in Redis, shared by all gateways: one script call a request, all limits of the tier in it, Redis's own clock.
 * Every key of a consumer carries the same hash tag, so that in a cluster they are on one node; it names window and
 * algorithm too, so that a config that changes them starts anew rather than misread what is there. `timeout`: ms that a
 * check may take.
 */
export function createRedisLimiter(
  redis: Redis,
  timeout: number,
  log: FastifyBaseLogger
): Limiter & { close(): void } {
  redis.defineCommand('sluiceCheck', { lua: CHECK })

  return createRemoteLimiter('Redis', ask, timeout, log)

  function ask(key: string, tier: Tier, cost: number, callback: Parameters<Limiter['check']>[3]): void {
    const keys = tier.limits.map(
      ({ window, algorithm }) => `sluice:{${key}}:${tier.name}:${window}:${algorithm}`
    )
    const args = tier.limits.flatMap(({ algorithm, limit, window }) => [
      algorithm === 'sliding-log' ? 1 : 0,
      limit,
      window
    ])
    ;(redis as ScriptedRedis)
      .sluiceCheck(keys.length, ...keys, cost, ...args)
      .then(reply => callback(null, readDecision(reply)), callback)
  }
}

interface ScriptedRedis extends Redis {
  sluiceCheck(...args: (string | number)[]): Promise<number[]>
}

/**
 * KEYS: one a limit. ARGV: cost, then algorithm (1: log), limit and window (ms) of each.
 * Returns allowed, remaining and reset (ms) of each. Counts only if all allow. What memory.ts says of the arithmetic
 * goes for this too; and a clock that is set back by more than a window, as by a failover, leaves nothing behind that
 * would be counted until it is there again.
 */
const CHECK = `
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)
local cost = tonumber(ARGV[1])
local reply, counters, allowed_by_all = {}, {}, true

for i, key in ipairs(KEYS) do
  local is_log = ARGV[i * 3 - 1] == '1'
  local limit, window = tonumber(ARGV[i * 3]), tonumber(ARGV[i * 3 + 1])
  local allowed, remaining, reset
  if is_log then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', micros - window * 1000)
    redis.call('ZREMRANGEBYSCORE', key, micros + window * 1000, '+inf')
    local used = redis.call('ZCARD', key)
    local room = limit - cost - used
    allowed, remaining = room >= 0, room
    local rank = allowed and 0 or -room - 1
    local freeing = redis.call('ZRANGE', key, rank, rank, 'WITHSCORES')[2]
    reset = freeing and math.ceil((freeing - micros) / 1000 + window) or window
    counters[i] = used
  else
    local stored = redis.call('HMGET', key, 'start', 'current', 'previous')
    local start = tonumber(stored[1] or '-inf')
    local current, previous = tonumber(stored[2] or 0), tonumber(stored[3] or 0)
    if math.abs(now - start) >= window * 2 then
      start, current, previous = now, 0, 0
    elseif now - start >= window then
      start, current, previous = start + window, 0, current
    end
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
    redis.call('HSET', key, 'start', counter[1], 'current', counter[2] + cost, 'previous', counter[3])
    redis.call('PEXPIRE', key, window * 2)
  else
    -- Two calls within one microsecond differ by how many came before.
    for n = 1, cost do
      redis.call('ZADD', key, micros, string.format('%.0f-%.0f', micros, counter + n))
    end
    redis.call('PEXPIRE', key, window)
  end
end
return reply
`
