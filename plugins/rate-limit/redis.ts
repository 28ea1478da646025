import type { FastifyBaseLogger } from 'fastify'
import type { Redis } from 'ioredis'
import type { Decision, Limiter } from './limiter.ts'

/**
 * Limits in Redis, shared by all gateways: one script call a request, all limits of the tier in it, Redis's own clock.
 * Every key of a consumer carries the same hash tag, so that in a cluster they are on one node.
 *
 * A call that fails or takes too long marks Redis as away: from then on calls fail at once, and one probe at a time,
 * jittered, finds out when it is back.
 */
export function createRedisLimiter(redis: Redis, log: FastifyBaseLogger): Limiter & { close(): void } {
  let isAway = false
  let probe: NodeJS.Timeout | undefined
  redis.defineCommand('sluiceCheck', { lua: CHECK })

  return {
    check(key, tier, cost, callback) {
      if (isAway) return callback(away)
      const keys = tier.limits.map(limit => `sluice:{${key}}:${tier.name}:${limit.name}`)
      const args = tier.limits.flatMap(limit => [
        limit.algorithm === 'sliding-log' ? 1 : 0,
        limit.limit,
        limit.window
      ])
      ;(redis as ScriptedRedis)
        .sluiceCheck(keys.length, ...keys, cost, ...args)
        .then(reply => callback(null, toDecision(reply)))
        .catch(error => {
          leave(error)
          callback(error)
        })
    },
    close() {
      clearTimeout(probe)
    }
  }

  function leave(error: Error): void {
    if (isAway) return
    isAway = true
    log.warn({ err: error }, 'limits are not counted in Redis')
    schedule()
  }

  function schedule(): void {
    probe = setTimeout(
      () => {
        redis.ping().then(() => {
          isAway = false
          log.info('limits are counted in Redis again')
        }, schedule)
      },
      100 + Math.random() * 150
    )
    probe.unref()
  }
}

const away = new Error('Redis is away')

interface ScriptedRedis extends Redis {
  sluiceCheck(...args: (string | number)[]): Promise<number[]>
}

function toDecision(reply: number[]): Decision {
  const decision: Decision = []
  for (let i = 0; i < reply.length; i += 3) {
    decision.push({
      allowed: reply[i] === 1,
      remaining: reply[i + 1] as number,
      reset: reply[i + 2] as number
    })
  }
  return decision
}

/**
 * KEYS: one a limit. ARGV: cost, then algorithm (1: log), limit and window (ms) of each.
 * Returns allowed, remaining and reset (ms) of each. Writes only if all allow.
 */
const CHECK = `
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000)
local cost = tonumber(ARGV[1])
local reply, windows, allowed_by_all = {}, {}, true

for i, key in ipairs(KEYS) do
  local is_log = ARGV[i * 3 - 1] == '1'
  local limit, window = tonumber(ARGV[i * 3]), tonumber(ARGV[i * 3 + 1])
  local allowed, remaining, reset
  if is_log then
    redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', micros - window * 1000))
    local used = redis.call('ZCARD', key)
    allowed = used + cost <= limit
    remaining = limit - used - cost
    local rank = allowed and 0 or used + cost - limit - 1
    local freeing = redis.call('ZRANGE', key, rank, rank, 'WITHSCORES')[2]
    reset = freeing and (tonumber(freeing) - micros) / 1000 + window or window
  else
    local index = math.floor(now / window)
    local counter = redis.call('HMGET', key, 'index', 'current', 'previous')
    local stored = tonumber(counter[1] or index)
    local current, previous = tonumber(counter[2] or 0), tonumber(counter[3] or 0)
    if stored < index then
      previous = stored == index - 1 and current or 0
      current = 0
    else
      index = stored
    end
    windows[i] = { index, current, previous }
    local elapsed = now - index * window
    local used = current + previous * (1 - elapsed / window)
    local room = limit - cost
    allowed = used <= room
    remaining = math.floor(room - used)
    if allowed then reset = window - elapsed
    elseif current <= room then reset = window * (1 - (room - current) / previous) - elapsed
    else reset = window - elapsed + window * (1 - math.max(0, room) / current) end
  end
  if not allowed then allowed_by_all, remaining = false, 0 end
  reply[i * 3 - 2], reply[i * 3 - 1], reply[i * 3] = allowed and 1 or 0, remaining, math.ceil(reset)
end

if allowed_by_all then
  for i, key in ipairs(KEYS) do
    local window = tonumber(ARGV[i * 3 + 1])
    local counter = windows[i]
    if counter then
      redis.call('HSET', key, 'index', string.format('%.0f', counter[1]), 'current', string.format('%.0f', counter[2] + cost), 'previous', string.format('%.0f', counter[3]))
      redis.call('PEXPIRE', key, window * 2)
    else
      -- Two calls within one microsecond differ by how many came before.
      local used = redis.call('ZCARD', key)
      for n = 1, cost do
        redis.call('ZADD', key, string.format('%.0f', micros), string.format('%.0f', micros) .. '-' .. used + n)
      end
      redis.call('PEXPIRE', key, window)
    end
  end
end
return reply
`
