import fastifyJwt from '@fastify/jwt'
import Fastify, { type FastifyInstance } from 'fastify'
import { type JwtOptions, jwt, problem, rateLimit } from 'sluice'
import t from 'tap'
import { call } from '../harness.ts'
import { startIssuer } from '../issuer.ts'
import { listen } from './app.ts'

t.test('jwt rejects requests without a valid token of the issuer in a bare app', async t => {
  const issuer = await startIssuer(t)
  for (const withProblem of [false, true]) {
    const app = Fastify()
    if (withProblem) await app.register(problem)
    await app.register(guarded({ issuer: issuer.issuer, audience: 'api://gateway' }), { prefix: '/me' })
    app.get('/', async () => 'public')
    const url = await listen(t, app)

    const missing = await call(`${url}/me`)
    t.equal(missing.status, 401)
    t.equal(missing.headers.get('www-authenticate'), 'Bearer')
    t.match(
      missing.json,
      withProblem ? { type: 'urn:sluice:token-missing' } : { code: 'SLUICE_TOKEN_MISSING' }
    )
    const invalid = await call(`${url}/me`, as(await issuer.sign({ aud: 'api://other' })))
    t.equal(invalid.headers.get('www-authenticate'), 'Bearer error="invalid_token"')
    const { json } = await call(`${url}/me`, as(await issuer.sign()))
    t.strictSame(json, { sub: 'ada', roles: [], permissions: [], tier: 'free' })
    t.equal((await call(url)).text, 'public')
  }
})

t.test('two scopes with one issuer fetch its keys once, also for two audiences', async t => {
  const issuer = await startIssuer(t)
  const app = Fastify()
  const options = { issuer: issuer.issuer, audience: 'api://gateway' }
  await app.register(guarded(options), { prefix: '/a' })
  await app.register(guarded(options), { prefix: '/b' })
  await app.register(guarded({ ...options, audience: 'api://other' }), { prefix: '/c' })
  const url = await listen(t, app)
  for (const [path, aud] of [
    ['/a', 'api://gateway'],
    ['/b', 'api://gateway'],
    ['/c', 'api://other']
  ] as const)
    t.equal((await call(url + path, as(await issuer.sign({ aud })))).status, 200, path)
  t.strictSame(issuer.requests, ['/.well-known/openid-configuration', '/jwks'])
})

t.test('each app fetches the keys for itself', async t => {
  const issuer = await startIssuer(t)
  for (const fetches of [1, 2]) {
    const app = Fastify()
    await app.register(guarded({ issuer: issuer.issuer, audience: 'api://gateway' }))
    t.equal((await call(await listen(t, app), as(await issuer.sign()))).status, 200)
    t.equal(issuer.fetches, fetches)
  }
})

t.test('equal subjects of two issuers are two consumers; one issuer with two audiences is one', async t => {
  const [one, other] = await Promise.all([startIssuer(t), startIssuer(t)])
  const app = Fastify()
  const limited = (options: JwtOptions) => async (scope: FastifyInstance) => {
    await scope.register(jwt, options)
    await scope.register(rateLimit, { by: 'consumer', name: 'few', limits: [{ limit: 1, window: 60_000 }] })
    scope.get('/', async () => 'ok')
  }
  await app.register(limited({ issuer: one.issuer, audience: 'api://gateway' }), { prefix: '/one' })
  await app.register(limited({ issuer: one.issuer, audience: 'api://again' }), { prefix: '/again' })
  await app.register(limited({ issuer: other.issuer, audience: 'api://gateway' }), { prefix: '/other' })
  const url = await listen(t, app)
  t.equal((await call(`${url}/one`, as(await one.sign()))).status, 200)
  t.equal((await call(`${url}/other`, as(await other.sign()))).status, 200)
  t.equal((await call(`${url}/again`, as(await one.sign({ aud: 'api://again' })))).status, 429)
})

t.test(
  'without the exchange plugin an issuer that hangs costs a request no more than jwks.timeout',
  async t => {
    const issuer = await startIssuer(t)
    issuer.fail('hang')
    const app = Fastify()
    const options = { issuer: issuer.issuer, audience: 'api://gateway', jwks: { timeout: 100 } }
    await app.register(guarded(options))
    const { status, headers, json } = await call(await listen(t, app), as(await issuer.sign()))
    t.equal(status, 503)
    t.equal(headers.get('retry-after'), '1')
    t.match(json, { code: 'SLUICE_KEYS_UNAVAILABLE' })
  }
)

t.test("jwt works beside an app's own @fastify/jwt and in a nested scope", async t => {
  const [outer, inner] = await Promise.all([startIssuer(t), startIssuer(t)])
  const app = Fastify()
  await app.register(fastifyJwt, { secret: 'secret-of-the-app' })
  await app.register(async scope => {
    await scope.register(jwt, { issuer: outer.issuer, audience: 'api://gateway' })
    scope.get('/outer', async request => request.user)
    await scope.register(async nested => {
      await nested.register(jwt, { issuer: inner.issuer, audience: 'api://gateway' })
      nested.get('/inner', async () => 'never')
    })
  })
  app.get('/own', async request => request.jwtVerify())
  const url = await listen(t, app)
  t.equal((await call(`${url}/outer`, as(await outer.sign()))).json.sub, 'ada')
  t.equal((await call(`${url}/inner`, as(await outer.sign()))).status, 401, 'both must accept the token')
  t.equal((await call(`${url}/own`, as(app.jwt.sign({ sub: 'own' })))).json.sub, 'own')
})

t.test('jwt reports all faults of its options at once', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  const options = { isuer: 'https://auth.example.com', issuer: 'http://auth.example.com', cache: -1 }
  await t.rejects(Promise.resolve(app.register(jwt, options as never)), {
    code: 'SLUICE_INVALID_OPTIONS',
    message:
      /^jwt: .*\/audience is missing.*\/isuer is not known; did you mean issuer\?.*\/issuer must be an https.*\/cache/
  })
})

t.test('two issuers with one name are an error', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  const options = { name: 'shop', audience: 'api://gateway' }
  await app.register(guarded({ ...options, issuer: 'https://one.example' }))
  await t.rejects(Promise.resolve(app.register(guarded({ ...options, issuer: 'https://other.example' }))), {
    message:
      "jwt: the issuers https://one.example and https://other.example are both named 'shop'; set another name"
  })
})

function guarded(options: JwtOptions) {
  return async (scope: FastifyInstance) => {
    await scope.register(jwt, options)
    scope.get('/', async request => request.user)
  }
}

function as(token: string) {
  return { headers: { authorization: `Bearer ${token}` } }
}
