import t, { type Test } from 'tap'
import { type Answer, call, startGateway, startService } from '../harness.ts'
import { type Failure, type Issuer, makeKey, openJwks, startGuarded, startIssuer, until } from '../issuer.ts'
import { forwarding } from '../proxy/service.ts'

const UNAVAILABLE = { code: 'SLUICE_KEYS_UNAVAILABLE', statusCode: 503 }

t.test('while the issuer is down its keys are used up to maxStale', async t => {
  const { jwks, issuer, pass } = await openJwks(t)
  const kid = issuer.keys[0]?.jwk.kid
  const key = await jwks.find(kid, 'ES256')
  await issuer.stop()
  for (let passed = 0; passed < 3_600_000; passed += 300_000) {
    pass(300_000)
    t.equal(await jwks.find(kid, 'ES256'), key)
    t.equal(key?.revoked, false)
  }
  pass(1)
  await t.rejects(jwks.find(kid, 'ES256'), UNAVAILABLE)
  t.equal(key?.revoked, true, 'and what was verified with them ends too')
  await issuer.start()
  pass(1_000)
  t.match(await jwks.find(kid, 'ES256'), { kid, revoked: false })
})

t.test('a cached token is not valid for longer than the keys', async t => {
  const issuer = await startIssuer(t)
  const { ask } = await startGuarded(t, { issuer: issuer.issuer, jwks: { refreshAfter: 1, maxStale: 500 } })
  const token = await issuer.sign()
  t.equal((await ask(token)).status, 200)
  await issuer.stop()
  isUnavailable(
    t,
    await until(
      () => ask(token),
      answer => answer.status !== 200
    )
  )
  await issuer.start()
  await until(
    () => ask(token),
    answer => answer.status === 200
  )
})

t.test('an issuer that hangs while the keys are stale delays one request only', async t => {
  const { jwks, issuer, pass } = await openJwks(t, { timeout: 500 })
  const kid = issuer.keys[0]?.jwk.kid
  const key = await jwks.find(kid, 'ES256')
  issuer.fail('hang')
  pass(700_000)
  t.equal(await jwks.find(kid, 'ES256'), key)
  const began = Date.now()
  for (let second = 0; second < 10; second++) {
    pass(1_000)
    t.equal(await jwks.find(kid, 'ES256'), key)
  }
  t.ok(Date.now() - began < 500, 'no wait for a fetch')
  await until(
    async () => issuer.fetches,
    fetches => fetches >= 3
  )
})

t.test('an unknown kid while the issuer is down is 503, because the token may be valid', async t => {
  const issuer = await startIssuer(t)
  const { ask } = await startGuarded(t, { issuer: issuer.issuer, jwks: { cooldown: 3_600_000 } })
  const good = await issuer.sign()
  t.equal((await ask(good)).status, 200)
  issuer.fail('error')
  const next = await makeKey()
  const token = await issuer.sign({}, {}, next)
  isUnavailable(t, await ask(token), 'asked for')
  isUnavailable(t, await ask(token), 'within the cooldown')
  t.equal(issuer.fetches, 2)
  t.equal((await ask(good)).status, 200, 'a known one still passes')
})

t.test('the deadline covers the wait for keys', async t => {
  const issuer = await startIssuer(t)
  issuer.fail('hang')
  const service = await startService(t, (_request, response) => response.end('{}'))
  const { gateway, url } = await startGateway(t, {
    deadline: 200,
    issuers: { test: { issuer: issuer.issuer, audience: 'api://gateway', jwks: { timeout: 3_600_000 } } },
    upstreams: { orders: { url: service } },
    scopes: { things: { prefix: '/things', jwt: 'test', routes: forwarding } }
  })
  const headers = { authorization: `Bearer ${await issuer.sign()}` }
  isUnavailable(t, await call(`${url}/things`, { headers }))
  t.match(gateway.upstreams[0]?.state().breaker, { state: 'closed', calls: 0, failures: 0 })
  t.equal((await call(`${url}/things`)).status, 401, 'what needs no key is answered as ever')
})

t.test('a gateway starts without its issuer, logs it, and recovers when it is up', async t => {
  const issuer = await startIssuer(t)
  await issuer.stop()
  const { ask } = await startGuarded(t, { issuer: issuer.issuer })
  const token = await issuer.sign()
  for (const scheme of ['Bearer', 'bearer']) isUnavailable(t, await ask(token, scheme))
  t.equal((await ask()).status, 401, 'what needs no key is answered as ever')
  await issuer.start()
  const answer = await until(
    () => ask(token),
    ({ status }) => status !== 503
  )
  t.equal(answer.status, 200)
})

t.test('a fetch that failed is not tried again for a second', async t => {
  const { jwks, issuer, pass } = await openJwks(t)
  const kid = issuer.keys[0]?.jwk.kid
  issuer.fail('error')
  for (let time = 0; time < 3; time++) {
    await t.rejects(jwks.find(kid, 'ES256'), UNAVAILABLE)
    await t.rejects(Promise.all([jwks.find(kid, 'ES256'), jwks.find('another', 'ES256')]), UNAVAILABLE)
    t.equal(issuer.fetches, time + 1)
    pass(1_000)
  }
  issuer.fail()
  t.ok(await jwks.find(kid, 'ES256'))
})

const FAILURES: Failure[] = [
  'error',
  'error with keys',
  'garbage',
  'not a set',
  'null',
  'empty',
  'cut',
  'hang',
  'stall',
  '10 MiB',
  'zipped 10 MiB',
  'redirect'
]

for (const failure of FAILURES)
  t.test(
    `a key set that fails with '${failure}' is 503 within its timeout, until it is valid again`,
    async t => {
      const timeout = failure === 'hang' || failure === 'stall' ? 600 : 5_000
      const { jwks, issuer, pass } = await openJwks(t, { timeout })
      issuer.fail(failure)
      const { ask } = await startGuarded(t, { issuer: issuer.issuer, jwks: { timeout } })
      const began = Date.now()
      isUnavailable(t, await ask(await issuer.sign()))
      t.ok(Date.now() - began < 3_000, 'in time')
      t.notOk(issuer.requests.includes('/elsewhere'))

      const kid = issuer.keys[0]?.jwk.kid
      await t.rejects(jwks.find(kid, 'ES256'), UNAVAILABLE)
      issuer.fail()
      pass(1_000)
      const key = await jwks.find(kid, 'ES256')
      t.ok(key, 'well again')
      issuer.fail(failure)
      pass(700_000)
      t.equal(await jwks.find(kid, 'ES256'), key, 'and the keys at hand stand while it is not')
    }
  )

t.test('a discovery document must have the same issuer and a trusted jwks_uri', async t => {
  const other = await startIssuer(t)
  const documents: Record<string, (issuer: Issuer) => object> = {
    'another issuer': () => ({ issuer: other.issuer }),
    'the issuer with a slash': ({ issuer }) => ({ issuer: `${issuer}/` }),
    'no issuer': () => ({ issuer: undefined }),
    'plain http off this machine': () => ({ jwks_uri: 'http://keys.example/jwks' }),
    'plain http off this machine, dressed up': ({ jwksUri }) => ({
      jwks_uri: jwksUri.replace('127.0.0.1', '127.0.0.1@keys.example')
    }),
    'keys in the URL': ({ keys }) => ({
      jwks_uri: `data:application/json,${encodeURIComponent(JSON.stringify({ keys: [keys[0]?.jwk] }))}`
    }),
    'a file': () => ({ jwks_uri: 'file:///etc/passwd' }),
    'no key set': () => ({ jwks_uri: undefined }),
    'a key set that is no URL': () => ({ jwks_uri: 7 })
  }
  for (const [what, document] of Object.entries(documents)) {
    const issuer = await startIssuer(t)
    issuer.describe(document(issuer))
    const { ask } = await startGuarded(t, { issuer: issuer.issuer })
    isUnavailable(t, await ask(await issuer.sign()), what)
    t.equal(issuer.fetches, 0, what)
  }
})

t.test('the discovery document of an issuer with a path, or a slash at its end, is below it', async t => {
  for (const path of ['/realms/shop', '/realms/shop/']) {
    const issuer = await startIssuer(t)
    const named = issuer.issuer + path
    issuer.describe({ issuer: named })
    const { ask } = await startGuarded(t, { issuer: named })
    await ask(await issuer.sign({ iss: named }))
    t.equal(issuer.requests[0], '/realms/shop/.well-known/openid-configuration')
  }
})

function isUnavailable(t: Test, answer: Answer, what = 'unavailable'): void {
  const { requestId, ...problem } = answer.json ?? {}
  t.strictSame(
    [answer.status, answer.headers.get('content-type'), answer.headers.get('retry-after'), problem],
    [
      503,
      'application/problem+json',
      '1',
      {
        type: 'urn:sluice:keys-unavailable',
        title: 'Tokens cannot be verified at the moment',
        status: 503
      }
    ],
    what
  )
  t.equal(answer.headers.get('www-authenticate'), null, 'a client can do nothing about it')
  t.notMatch(answer.text + JSON.stringify([...answer.headers]), /127\.0\.0\.1|ECONN|fetch|jwks|internal/)
}
