import { generateKeyPairSync } from 'node:crypto'
import Fastify from 'fastify'
import { jwt, overrides, rateLimit, redis } from 'sluice'
import t from 'tap'
import { call } from '../harness.ts'
import { startIssuer } from '../issuer.ts'
import { listen } from './app.ts'

t.test('overrides replaces what the plugins of a bare app reach', async t => {
  const issuer = await startIssuer(t)
  const routes: string[] = []
  const keys: string[] = []
  let time = 0
  const app = Fastify()
  await app.register(overrides, {
    onRoute: ({ method, url }) => void routes.push(`${method} ${url}`),
    createJwks: ({ issuer }) => ({
      async find() {
        keys.push(issuer)
        return undefined
      },
      touch() {}
    }),
    createLimiter: memory => ({
      check: (key, tier, _cost, callback) => memory.check(key, tier, 2, callback)
    }),
    redis: false,
    now: () => time
  })
  await app.register(redis, { url: 'redis://redis.invalid' })
  await app.register(
    async scope => {
      await scope.register(rateLimit, { by: 'address', limits: [{ limit: 2, window: 60_000 }] })
      scope.get('/', async () => 'ok')
      await scope.register(async guarded => {
        await guarded.register(jwt, { issuer: issuer.issuer, audience: 'api://gateway' })
        guarded.get('/me', async request => request.user)
      })
    },
    { prefix: '/a' }
  )
  const url = await listen(t, app)
  t.ok(routes.includes('GET /a') && routes.includes('GET /a/me'), routes.join())
  t.equal(app.redis.status, 'end')

  t.equal((await call(`${url}/a`)).status, 200)
  t.equal((await call(`${url}/a`)).status, 429, 'a request costs two')
  time += 120_000
  const headers = { authorization: `Bearer ${await issuer.sign()}` }
  t.equal((await call(`${url}/a/me`, { headers })).status, 401)
  t.strictSame(keys, [issuer.issuer])
  t.strictSame(issuer.requests, [], 'the issuer is not asked')
})

t.test('keys that never verify a token are tried once', { timeout: 20_000 }, async t => {
  const issuer = await startIssuer(t)
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = publicKey.export({ type: 'spki', format: 'pem' }) as string
  let found = 0
  const app = Fastify()
  await app.register(overrides, {
    createJwks: () => ({
      async find(kid) {
        found++
        return { kid, algorithms: ['ES256'], pem, revoked: false }
      },
      touch() {}
    })
  })
  await app.register(jwt, { issuer: issuer.issuer, audience: 'api://gateway' })
  app.get('/', async () => 'ok')
  const url = await listen(t, app)
  const headers = { authorization: `Bearer ${await issuer.sign()}` }
  t.equal((await call(url, { headers })).status, 401)
  t.equal(found, 2)
})
