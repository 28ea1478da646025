import t, { type Test } from 'tap'
import { limitStatus } from '../../limits/limit-status.ts'
import { startRedis } from '../../testing/redis-server.ts'
import { type Answer, call, startGateway, startService } from '../harness.ts'
import { startIssuer, until } from '../issuer.ts'
import { forwarding } from '../proxy/service.ts'

/** The exchange's deadline ends every kind of wait. */

const NEVER = new Promise<never>(() => {})

t.test('a hook, a validation or a handler that takes too long gets 504', async t => {
  const { url } = await startGateway(t, {
    deadline: 100,
    scopes: {
      slow: {
        prefix: '/slow',
        routes: async app => {
          const hang = () => NEVER
          app.get('/onRequest', { onRequest: hang }, async () => 'never')
          app.get('/preHandler', { preHandler: hang }, async () => 'never')
          app.post('/preParsing', { preParsing: hang }, async () => 'never')
          app.get('/handler', hang)
          app.get('/callback', () => {})
          app.get('/fast', async () => 'fast')
        }
      }
    }
  })
  for (const path of ['onRequest', 'preHandler', 'handler', 'callback'])
    isLate(t, await call(`${url}/slow/${path}`), path)
  isLate(t, await call(`${url}/slow/preParsing`, { method: 'POST', body: '{}' }), 'preParsing')
  t.equal((await call(`${url}/slow/fast`)).text, 'fast')
})

t.test('a handler that responds after its deadline changes nothing', async t => {
  let answer: (value: string) => void = () => {}
  const { url } = await startGateway(t, {
    deadline: 100,
    scopes: {
      slow: {
        prefix: '/slow',
        routes: async app => {
          app.get('/', () => new Promise<string>(resolve => (answer = resolve)))
          app.get('/fast', async () => 'fast')
        }
      }
    }
  })
  isLate(t, await call(`${url}/slow`), 'late')
  answer('late')
  t.equal((await call(`${url}/slow/fast`)).text, 'fast')
})

t.test('a route without deadline waits for its handler', async t => {
  let answer: (value: string) => void = () => {}
  const { url } = await startGateway(t, {
    deadline: 50,
    scopes: {
      slow: {
        prefix: '/slow',
        routes: async app => {
          app.get('/', { config: { deadline: 0 } }, () => new Promise<string>(resolve => (answer = resolve)))
          app.get('/late', () => NEVER)
        }
      }
    }
  })
  const slow = call(`${url}/slow`)
  isLate(t, await call(`${url}/slow/late`), 'another, begun later')
  answer('at last')
  t.equal((await slow).text, 'at last')
})

t.test('a Redis that does not reply is waited for until the deadline, and no service is blamed', async t => {
  const redis = await startRedis(t)
  const service = await startService(t, (_request, response) => response.end('{}'))
  const tierOf = (onRedisDown: 'closed' | 'open' | 'local') => ({
    limits: [{ limit: 5, window: 60_000 }],
    counting: 'exact' as const,
    onRedisDown
  })
  const { gateway, url } = await startGateway(t, {
    deadline: 300,
    redis: { url: redis.url, timeout: 60_000 },
    tiers: { closed: tierOf('closed'), open: tierOf('open'), local: tierOf('local') },
    upstreams: { orders: { url: service } },
    scopes: Object.fromEntries(
      ['closed', 'open', 'local'].map(tier => [
        tier,
        { prefix: `/${tier}`, rateLimit: { address: tier }, routes: forwarding }
      ])
    )
  })
  const names = ['closed', 'open', 'local']
  await until(
    () => Promise.all(names.map(name => call(`${url}/${name}`))),
    answers => answers.every(({ status, headers }) => status === 200 && headers.has('ratelimit'))
  )
  const calls = gateway.upstreams[0]?.state().breaker.calls
  redis.pause()
  for (const name of names) {
    const { status, json, headers } = await call(`${url}/${name}`)
    t.strictSame([status, json.title], [503, 'Limits cannot be checked at the moment'], name)
    t.equal(headers.get('retry-after'), '1')
  }
  t.match(gateway.upstreams[0]?.state().breaker, { state: 'closed', calls, failures: 0 })
})

t.test('a limit that is not decided in time is counted in the tier of the token', async t => {
  const redis = await startRedis(t)
  const issuer = await startIssuer(t)
  const tier = { limits: [{ limit: 5, window: 60_000 }], counting: 'exact' as const }
  const { gateway, url } = await startGateway(t, {
    deadline: 300,
    redis: { url: redis.url, timeout: 60_000 },
    issuers: { test: { issuer: issuer.issuer, audience: 'api://gateway' } },
    tiers: { free: tier, gold: tier },
    scopes: {
      things: {
        prefix: '/things',
        jwt: 'test',
        rateLimit: { consumer: 'free' },
        routes: async app => void app.get('/', async () => 'ok')
      }
    }
  })
  const headers = { authorization: `Bearer ${await issuer.sign({ tier: 'gold' })}` }
  await until(
    () => call(`${url}/things`, { headers }),
    answer => answer.headers.has('ratelimit')
  )
  redis.pause()
  t.equal((await call(`${url}/things`, { headers })).status, 503)
  const decisionsOf = (tier: string) =>
    limitStatus(gateway).tiers.find(({ name }) => name === tier)?.decisions
  t.equal(decisionsOf('gold')?.unavailable, 1)
  t.equal(decisionsOf('free')?.unavailable, 0)
})

t.test('a queued call ends at the deadline', async t => {
  const service = await startService(t, () => {})
  const { url } = await startGateway(t, {
    deadline: 300,
    upstreams: { orders: { url: service, concurrency: { max: 1, queue: 5 } } },
    scopes: { things: { prefix: '/things', routes: forwarding } }
  })
  for (const answer of await Promise.all([1, 2, 3].map(() => call(`${url}/things`))))
    isLate(t, answer, 'queue')
})

t.test('a DNS query or a connection without a reply ends at the deadline', async t => {
  const { url } = await startGateway(t, {
    deadline: 300,
    // TEST-NET-1 (RFC 5737) is unreachable.
    upstreams: { orders: { url: 'http://192.0.2.1:9' } },
    scopes: { things: { prefix: '/things', routes: forwarding } }
  })
  t.ok([502, 504].includes((await call(`${url}/things`)).status))
})

function isLate(t: Test, { status, json }: Answer, what: string): void {
  t.strictSame([status, json?.type], [504, 'urn:sluice:deadline-exceeded'], what)
}
