import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import type { User } from '../../auth/user.ts'
import { resolveConfig } from '../../config/resolve-config.ts'
import exchange from '../../plugins/exchange.ts'
import problem from '../../plugins/problem.ts'
import rateLimit from '../../plugins/rate-limit.ts'
import redis from '../../plugins/redis.ts'
import { ConfigError } from '../../schemas/options/faults.ts'
import { startRedis } from '../../testing/redis-server.ts'
import { createClock } from '../../testing.ts'
import { type Answer, call, startGateway } from '../harness.ts'

t.test('a response has the limit and what is left of it', async t => {
  const { url } = await startApp(t, { tiers: { free: { limits: [{ limit: 100, window: 60_000 }] } } })
  const first = await call(`${url}/a`, as('ada'))
  t.equal(first.status, 200)
  t.equal(first.headers.get('ratelimit-policy'), '"free";q=100;w=60')
  t.equal(first.headers.get('ratelimit'), '"free";r=99;t=60')
  const second = await call(`${url}/a`, as('ada'))
  t.match(second.headers.get('ratelimit'), /^"free";r=98;t=\d+$/)
  t.strictSame(oldHeaders(second), [])
})

t.test('several limits are a list with a name each', async t => {
  const { url } = await startApp(t, {
    tiers: {
      free: {
        limits: [
          { limit: 2, window: 1_000 },
          { limit: 1_000, window: 3_600_000 }
        ]
      }
    }
  })
  const answer = await call(`${url}/a`, as('ada'))
  t.equal(answer.headers.get('ratelimit-policy'), '"free-1s";q=2;w=1, "free-3600s";q=1000;w=3600')
  t.equal(answer.headers.get('ratelimit'), '"free-1s";r=1;t=1, "free-3600s";r=999;t=3600')
})

for (const place of ['memory', 'Redis']) {
  t.test(`a request beyond the limit is 429 with Retry-After (${place})`, async t => {
    const { url } = await startApp(t, {
      redis: place === 'Redis' ? { url: (await startRedis(t)).url, timeout: 5_000 } : undefined,
      tiers: {
        free: {
          limits: [
            { limit: 5, window: 3_600_000 },
            { limit: 2, window: 60_000 }
          ]
        }
      }
    })
    const ada = as(unique('ada'))
    for (const remaining of [1, 0]) {
      const answer = await call(`${url}/a`, ada)
      t.equal(answer.status, 200)
      t.match(answer.headers.get('ratelimit'), `"free-60s";r=${remaining};t=`)
    }
    for (let i = 0; i < 5; i++) {
      const answer = await call(`${url}/a`, ada)
      const retryAfter = answer.headers.get('retry-after')
      t.equal(answer.status, 429)
      t.match(answer.headers.get('content-type'), 'application/problem+json')
      t.match(answer.json, {
        type: 'https://iana.org/assignments/http-problem-types#quota-exceeded',
        title: 'Too many requests',
        status: 429,
        'violated-policies': ['free-60s'],
        retryAfter: Number(retryAfter)
      })
      // One of the two must slide out of the next window, which takes half of it.
      t.match(retryAfter, /^(8\d|90)$/)
      t.match(
        answer.headers.get('ratelimit'),
        new RegExp(`^"free-3600s";r=3;t=\\d+, "free-60s";r=0;t=${retryAfter}$`)
      )
      t.strictSame(oldHeaders(answer), [])
    }
  })
}

t.test('Retry-After is never too short and never 0', async t => {
  for (const window of [1_000, 60_000]) {
    const clock = createClock(1_000_000)
    const limits = [{ limit: 1, window, algorithm: 'sliding-log' as const }]
    const { url } = await startAddresses(t, { tiers: { free: { limits } } }, clock.now)
    const ada = from('192.0.2.1')
    t.equal((await call(`${url}/a`, ada)).status, 200)
    for (const [passed, expected] of [
      [0, window / 1_000],
      [1, window / 1_000],
      [window - 1_001, 1],
      [998, 1]
    ] as const) {
      clock.turn(passed)
      const answer = await call(`${url}/a`, ada)
      t.equal(answer.status, 429)
      t.equal(answer.headers.get('retry-after'), `${expected}`, `${window} ms, ${passed} ms later`)
      t.match(answer.headers.get('ratelimit'), `;t=${expected}`)
    }
    clock.turn(2)
    t.equal((await call(`${url}/a`, ada)).status, 200)
  }
})

t.test('with several violated limits Retry-After is the longest, in any order', async t => {
  const short = { limit: 2, window: 10_000, algorithm: 'sliding-log' as const }
  const long = { limit: 2, window: 3_600_000, algorithm: 'sliding-log' as const }
  const wide = { limit: 100, window: 7_200_000, algorithm: 'sliding-log' as const }
  for (const limits of [
    [short, long, wide],
    [long, wide, short],
    [wide, short, long]
  ]) {
    const clock = createClock(1_000_000)
    const { url } = await startAddresses(t, { tiers: { free: { limits } } }, clock.now)
    const ada = from('192.0.2.1')
    for (const expected of [200, 200]) t.equal((await call(`${url}/a`, ada)).status, expected)
    clock.turn(4_000)
    const { status, headers, json } = await call(`${url}/a`, ada)
    t.equal(status, 429)
    t.equal(headers.get('retry-after'), '3596')
    t.equal(json.retryAfter, 3596)
    t.strictSame([...json['violated-policies']].sort(), ['free-10s', 'free-3600s'])
    t.match(headers.get('ratelimit'), '"free-10s";r=0;t=6')
    // The short limit would allow it; the long one alone rejects with the same Retry-After.
    clock.turn(6_000)
    const again = await call(`${url}/a`, ada)
    t.strictSame(
      [again.headers.get('retry-after'), again.json['violated-policies']],
      ['3590', ['free-3600s']]
    )
  }
})

t.test('a consumer has one counter over all scopes, apart from other consumers', async t => {
  const { url } = await startApp(t, { tiers: { free: { limits: [{ limit: 3, window: 60_000 }] } } })
  t.strictSame(
    [
      await status(`${url}/a`, as('ada')),
      await status(`${url}/b`, as('ada')),
      await status(`${url}/a`, as('ada')),
      await status(`${url}/b`, as('ada')),
      await status(`${url}/b`, as('bob'))
    ],
    [200, 200, 200, 429, 200]
  )
})

t.test("a consumer is limited by its token's tier, or by the scope's if there is no such tier", async t => {
  const { url } = await startApp(t, {
    tiers: {
      free: { limits: [{ limit: 1, window: 60_000 }] },
      premium: { limits: [{ limit: 1_000, window: 60_000 }] }
    }
  })
  const policy = async (tier: string) =>
    (await call(`${url}/a`, as('ada', tier))).headers.get('ratelimit-policy')
  t.equal(await policy('premium'), '"premium";q=1000;w=60')
  t.equal(await policy('free'), '"free";q=1;w=60')
  t.equal(await policy('platinum'), '"free";q=1;w=60')
  t.equal(await policy('__proto__'), '"free";q=1;w=60')
})

t.test('an address is limited before authentication', async t => {
  const { url } = await startGateway(t, {
    issuers: { shop: { issuer: 'http://127.0.0.1:1', audience: 'api://gateway' } },
    tiers: { free: { limits: [{ limit: 2, window: 60_000 }] } },
    scopes: { things: { prefix: '/a', routes, jwt: 'shop', rateLimit: { address: 'free' } } }
  })
  t.strictSame(
    [await status(`${url}/a`), await status(`${url}/a`), await status(`${url}/a`)],
    [401, 401, 429]
  )
})

t.test('limits by address and by consumer are both in the headers', async t => {
  const { url } = await startApp(t, {
    tiers: {
      free: { limits: [{ limit: 5, window: 60_000 }] },
      anonymous: { limits: [{ limit: 9, window: 60_000 }] }
    }
  })
  const answer = await call(`${url}/both`, as('ada'))
  t.equal(answer.headers.get('ratelimit-policy'), '"anonymous";q=9;w=60, "free";q=5;w=60')
  t.equal(answer.headers.get('ratelimit'), '"anonymous";r=8;t=60, "free";r=4;t=60')
})

t.test('addresses are counted separately, IPv6 by /64', async t => {
  const { url } = await startAddresses(t)
  const expected: [string, number][] = [
    ['192.0.2.1', 200],
    ['192.0.2.2', 200],
    ['192.0.2.1', 429],
    ['::ffff:192.0.2.1', 429],
    ['2001:db8:0:1::1', 200],
    ['2001:db8:0:1:ffff:ffff:ffff:ffff', 429],
    ['2001:0DB8:0000:0001::7', 429],
    ['2001:db8:0:2::1', 200]
  ]
  for (const [address, code] of expected) t.equal(await status(`${url}/a`, from(address)), code, address)
})

t.test('memory keeps no more keys than the config allows', async t => {
  const { url } = await startAddresses(t, { rateLimit: { keys: 2 } })
  const statuses: number[] = []
  for (const last of [1, 2, 1, 3, 1, 2]) statuses.push(await status(`${url}/a`, from(`192.0.2.${last}`)))
  t.strictSame(statuses, [200, 200, 429, 200, 429, 200])
})

t.test('a client that disconnects before it is counted is not an error of the gateway', async t => {
  const lines: string[] = []
  const { url, app } = await startApp(
    t,
    {
      tiers: {
        free: { limits: [{ limit: 9, window: 60_000 }] },
        anonymous: { limits: [{ limit: 9, window: 60_000 }] }
      }
    },
    line => lines.push(line)
  )
  let seen = 0
  app.server.on('request', () => seen++)
  const { port } = new URL(url)
  for (let i = 0; i < 20; i++) {
    const socket = connect(Number(port), '127.0.0.1')
    socket.on('error', () => {})
    await once(socket, 'connect')
    socket.write(`GET /both HTTP/1.1\r\nhost: a\r\nx-user: ${as('ada').headers['x-user']}\r\n\r\n`)
    socket.resetAndDestroy()
  }
  t.equal((await call(`${url}/a`, as('bob'))).status, 200)
  t.ok(seen > 1)
  const errors = lines.map(line => JSON.parse(line)).filter(({ level }) => level >= 50)
  t.strictSame(
    errors.map(({ err }) => err.message),
    []
  )
})

t.test('no two subjects of tokens share a counter', async t => {
  const names = [
    'a',
    'a}',
    '{a}',
    'a}:free',
    'a}:free:60000:sliding-window',
    'a:free',
    ':',
    '{',
    '}',
    'a\nb',
    'a\r\nb',
    'a b',
    'a\0',
    'A',
    'ä',
    'a\u0308',
    'address:127.0.0.1',
    '__proto__',
    `${'x'.repeat(255)}y`,
    `${'x'.repeat(255)}z`
  ]
  for (const place of ['memory', 'Redis']) {
    const { url } = await startApp(t, {
      redis: place === 'Redis' ? { url: (await startRedis(t)).url, timeout: 5_000 } : undefined,
      tiers: { free: { limits: [{ limit: 1, window: 60_000 }] } }
    })
    const run = place === 'Redis' ? unique('') : ''
    for (const expected of [200, 429])
      for (const name of names)
        t.equal(await status(`${url}/a`, as(name + run)), expected, `${place}: ${JSON.stringify(name)}`)
  }
})

for (const algorithm of ['sliding-window', 'sliding-log'] as const) {
  t.test(`two gateways with one Redis let one limit pass (${algorithm})`, async t => {
    const redis = await startRedis(t)
    const definition: Definition = {
      redis: { url: redis.url, timeout: 5_000 },
      tiers: { free: { onRedisDown: 'closed', limits: [{ limit: 40, window: 60_000, algorithm }] } }
    }
    const gateways = [await startApp(t, definition), await startApp(t, definition)]
    const ada = as(unique('ada'))
    const answers = await Promise.all(
      Array.from({ length: 120 }, (_, i) => call(`${gateways[i % 2]?.url}/a`, ada))
    )
    const admitted = answers.filter(({ status }) => status === 200)
    t.equal(admitted.length, 40)
    t.equal(answers.filter(({ status }) => status === 429).length, 80)
    // Each remaining number was sent once.
    const left = admitted.map(({ headers }) => Number(headers.get('ratelimit')?.match(/r=(\d+)/)?.[1]))
    t.strictSame(
      left.sort((a, b) => a - b),
      Array.from({ length: 40 }, (_, i) => i)
    )
  })
}

t.test('measured at the client, a log in Redis never exceeds its limit in any second', async t => {
  const redis = await startRedis(t)
  const limit = 20
  const { url } = await startApp(t, {
    redis: { url: redis.url, timeout: 5_000 },
    tiers: { free: { onRedisDown: 'closed', limits: [{ limit, window: 1_000, algorithm: 'sliding-log' }] } }
  })
  const ada = as(unique('ada'))
  const admitted: { sent: number; received: number }[] = []
  let refused = 0
  const end = performance.now() + 2_500
  while (performance.now() < end) {
    await Promise.all(
      Array.from({ length: 1 + Math.floor(Math.random() * 12) }, async () => {
        const sent = performance.now()
        if ((await status(`${url}/a`, ada)) === 200) admitted.push({ sent, received: performance.now() })
        else refused++
      })
    )
  }
  // Redis counted each request between these two times. Requests entirely within a second were counted within it.
  const within = admitted.map(
    ({ sent }) => admitted.filter(other => other.sent >= sent && other.received < sent + 1_000).length
  )
  t.ok(Math.max(...within) <= limit, `${Math.max(...within)} within a second`)
  t.ok(admitted.length > limit && refused > 0, `${admitted.length} let through, ${refused} refused`)
})

t.test('invalid limits are rejected with their path', async t => {
  const faults = (tier: unknown, scope = 'free') => {
    try {
      resolveConfig(
        {
          default: {
            tiers: { free: tier },
            scopes: { a: { prefix: '/a', routes, rateLimit: { address: scope } } }
          }
        },
        {}
      )
      return []
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      return error.faults.map(({ path, message }) => `${path} ${message}`)
    }
  }
  const limit = (members: object) => ({ limits: [{ limit: 10, window: 60_000, ...members }] })
  t.strictSame(faults(limit({})), [])
  for (const [members, path] of [
    [{ limit: 0 }, 'limit'],
    [{ limit: -1 }, 'limit'],
    [{ limit: 1.5 }, 'limit'],
    [{ limit: 'ten' }, 'limit'],
    [{ limit: '10' }, 'limit'],
    [{ limit: Number.NaN }, 'limit'],
    [{ limit: Number.POSITIVE_INFINITY }, 'limit'],
    [{ limit: null }, 'limit'],
    [{ window: 0 }, 'window'],
    [{ window: 999 }, 'window'],
    [{ window: 1_500 }, 'window'],
    [{ window: '1 minute' }, 'window'],
    [{ algorithm: 'fixed-window' }, 'algorithm'],
    [{ max: 10 }, 'max']
  ] as const)
    t.match(faults(limit(members)), [new RegExp(`^/tiers/free/limits/0/${path} `)], JSON.stringify(members))
  t.match(faults({ limits: [] }), [/^\/tiers\/free\/limits /])
  t.match(faults({ limits: 'ten' }), [/^\/tiers\/free\/limits /])
  t.match(faults({ ...limit({}), onRedisDown: 'maybe' }), [/^\/tiers\/free\/onRedisDown /])
  t.match(faults({ limits: [...limit({}).limits, ...limit({ limit: 3 }).limits] }), [
    '/tiers/free/limits must not have two limits of the same window'
  ])
  t.match(faults(limit({}), 'fre'), ["/scopes/a/rateLimit/address no tier is named 'fre'; there are: free"])
})

t.test('an unknown tier and an uncountable limit fail at the start', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  const { tiers: options, rateLimit: counting } = resolveConfig({ default: {} }, {})
  await app.register(rateLimit, { tiers: options, ...counting })
  await t.rejects(
    async () => {
      await app.register(async scope => {
        await scope.register(rateLimit, { by: 'address', tier: 'free' })
      })
    },
    { message: "rateLimit: no tier is named 'free'; there are: none" }
  )

  const other = Fastify()
  t.teardown(() => other.close())
  await other.register(rateLimit, { tiers: options, ...counting })
  t.throws(() => other.get('/orders', { config: { rateLimit: { max: 5 } } }, async () => 'ok'), {
    message: '/orders has a rateLimit in its config; register the rateLimit plugin in a scope instead'
  })
})

type Definition = Parameters<typeof startGateway>[1]

async function routes(scope: FastifyInstance): Promise<void> {
  scope.get('/', async () => 'ok')
}

/** A gateway that limits addresses to one request a minute and trusts every `X-Forwarded-For`. */
async function startAddresses(t: Test, definition: Definition = {}, now?: () => number) {
  const all: Definition = {
    trustProxy: ['127.0.0.1'],
    tiers: { free: { limits: [{ limit: 1, window: 60_000 }] } },
    scopes: { things: { prefix: '/a', routes, rateLimit: { address: 'free' } } },
    ...definition
  }
  return startGateway(t, all, now)
}

/** Scopes as gateway.ts registers them, with the consumer in a header: /a, /b, and /both by address too. */
async function startApp(t: Test, definition: Definition, log?: (line: string) => void) {
  const config = resolveConfig({ default: definition }, {})
  const app = Fastify({ logger: log && { stream: { write: log } } })
  t.teardown(() => app.close())
  await app.register(problem)
  await app.register(exchange, { deadline: config.deadline })
  if (config.redis) await app.register(redis, config.redis)
  await app.register(rateLimit, { tiers: config.tiers, ...config.rateLimit })
  app.decorateRequest('user')
  for (const prefix of ['/a', '/b', '/both']) {
    await app.register(
      async scope => {
        if (prefix === '/both' && config.tiers.anonymous)
          await scope.register(rateLimit, { by: 'address', tier: 'anonymous' })
        scope.addHook('onRequest', async request => {
          request.user = JSON.parse(decodeURIComponent(request.headers['x-user'] as string))
        })
        await scope.register(rateLimit, { by: 'consumer', tier: 'free' })
        await scope.register(routes)
      },
      { prefix }
    )
  }
  return { app, url: await app.listen({ port: 0, host: '127.0.0.1' }) }
}

function as(sub: string, tier = 'free') {
  const user: User = { sub, tier, roles: [], permissions: [] }
  return { headers: { 'x-user': encodeURIComponent(JSON.stringify(user)) } }
}

function from(address: string) {
  return { headers: { 'x-forwarded-for': address } }
}

/** Redis may have keys of earlier runs. */
function unique(name: string): string {
  return `${name}-${randomUUID()}`
}

async function status(url: string, init?: RequestInit): Promise<number> {
  return (await call(url, init)).status
}

/** Headers of an older draft, which @fastify/rate-limit sends. */
function oldHeaders({ headers }: Answer): string[] {
  return [...headers.keys()].filter(name => /^x-ratelimit|^ratelimit-(limit|remaining|reset)$/.test(name))
}
