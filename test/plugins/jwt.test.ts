import t, { type Test } from 'tap'
import { resolveConfig } from '../../config/resolve-config.ts'
import { startIdentityProvider } from '../../demo/identity.ts'
import { ConfigError } from '../../schemas/options/faults.ts'
import { call, startGateway, startService, startShop } from '../harness.ts'
import { makeKey, startGuarded, startIssuer } from '../issuer.ts'

t.test("a provider's token passes, and request.user has its claims", async t => {
  const identity = await startProvider(t)
  const { ask } = await startGuarded(t, { issuer: identity.issuer })
  const answer = await ask(await identity.token('alan'))
  t.equal(answer.status, 200)
  t.strictSame(answer.json, {
    sub: 'alan',
    email: 'alan@example.com',
    roles: ['admin'],
    permissions: ['orders:read', 'orders:write'],
    tier: 'premium'
  })
})

t.test('with jwksUri the keys are fetched without discovery', async t => {
  const issuer = await startIssuer(t)
  issuer.describe({ jwks_uri: `${issuer.issuer}/nowhere` })
  const { ask } = await startGuarded(t, { issuer: issuer.issuer, jwksUri: issuer.jwksUri })
  t.equal((await ask(await issuer.sign())).status, 200)
  t.strictSame(issuer.requests, ['/jwks'])
})

t.test('RS, PS, ES and EdDSA tokens pass with a key of their kind', async t => {
  const algorithms = [
    'RS256',
    'RS384',
    'RS512',
    'PS256',
    'PS384',
    'PS512',
    'ES256',
    'ES384',
    'ES512',
    'EdDSA',
    'Ed25519'
  ]
  const keys = await Promise.all(algorithms.map(alg => makeKey(alg)))
  const issuer = await startIssuer(t, keys)
  const { ask } = await startGuarded(t, { issuer: issuer.issuer })
  for (const key of keys) {
    const answer = await ask(await issuer.sign({}, {}, key))
    t.equal(answer.status, 200, key.alg)
  }
  t.equal(issuer.fetches, 1)
})

t.test('providers that sign with PS256, ES256 or EdDSA are supported', async t => {
  for (const alg of ['PS256', 'ES256', 'EdDSA'] as const) {
    const identity = await startProvider(t, { alg })
    const { ask } = await startGuarded(t, { issuer: identity.issuer })
    t.equal((await ask(await identity.token('ada'))).status, 200, alg)
  }
})

t.test('an RSA key without an algorithm verifies RS and PS', async t => {
  const key = await makeKey('RS256', { alg: undefined, use: undefined })
  const issuer = await startIssuer(t, [key])
  const { ask } = await startGuarded(t, { issuer: issuer.issuer })
  for (const alg of ['RS256', 'PS512']) t.equal((await ask(await issuer.sign({}, { alg }))).status, 200, alg)
})

t.test('a token without a kid is verified by the key of its algorithm', async t => {
  const [rsa, ec] = await Promise.all([makeKey('RS256'), makeKey('ES256')])
  const issuer = await startIssuer(t, [rsa, ec])
  const { ask } = await startGuarded(t, { issuer: issuer.issuer })
  t.equal((await ask(await issuer.sign({}, { kid: undefined }, ec))).status, 200)
})

t.test('a token passes with typ JWT or at+jwt, as a media type too, and without typ', async t => {
  const issuer = await startIssuer(t)
  const { ask } = await startGuarded(t, { issuer: issuer.issuer })
  for (const typ of ['JWT', 'jwt', 'at+jwt', 'AT+JWT', 'application/at+jwt', 'application/JWT', undefined])
    t.equal((await ask(await issuer.sign({}, { typ }))).status, 200, typ ?? 'none')
})

t.test('the audience may be one of several, and the scheme in any case', async t => {
  const issuer = await startIssuer(t)
  const { ask } = await startGuarded(t, { issuer: issuer.issuer })
  const token = await issuer.sign({ aud: ['api://other', 'api://gateway'] })
  t.equal((await ask(token)).status, 200)
  t.equal((await ask(token, 'bearer')).status, 200)
})

t.test('more than one space before the token is allowed (RFC 6750, 2.1), for a new token too', async t => {
  const issuer = await startIssuer(t)
  const { ask } = await startGuarded(t, { issuer: issuer.issuer })
  t.equal((await ask(await issuer.sign(), 'Bearer ')).status, 200)
})

t.test('clocks may differ by clockTolerance', async t => {
  const issuer = await startIssuer(t)
  const { ask } = await startGuarded(t, { issuer: issuer.issuer, clockTolerance: 60_000 })
  const now = Date.now() / 1000
  t.equal((await ask(await issuer.sign({ exp: now - 30 }))).status, 200)
  t.equal((await ask(await issuer.sign({ nbf: now + 30 }))).status, 200)
  t.equal((await ask(await issuer.sign({ exp: now - 61 }))).json.title, 'Token expired')
})

t.test('claims of another type are dropped', async t => {
  const issuer = await startIssuer(t)
  const { ask } = await startGuarded(t, { issuer: issuer.issuer })
  const bare = { sub: 'ada', roles: [], permissions: [], tier: 'free' }
  const cases: [string, object, object][] = [
    ['no claims but the required ones', {}, bare],
    [
      'roles that are no strings',
      { roles: ['admin', 7, null, ['root'], { a: 1 }] },
      { ...bare, roles: ['admin'] }
    ],
    ['roles that are neither list nor string', { roles: { admin: true } }, bare],
    ['one role as a string', { roles: 'admin' }, { ...bare, roles: ['admin'] }],
    ['roles as a string', { roles: ' admin  editor ' }, { ...bare, roles: ['admin', 'editor'] }],
    ['roles that are null', { roles: null }, bare],
    [
      'roles that would be two, or another header',
      { roles: ['a,admin', 'b\r\nX-User-Id: root', ' c', ''] },
      bare
    ],
    [
      'scope, without permissions',
      { scope: 'a:read  b:write ' },
      { ...bare, permissions: ['a:read', 'b:write'] }
    ],
    ['scope, beside permissions', { scope: 'a b', permissions: ['c'] }, { ...bare, permissions: ['c'] }],
    ['scope, beside no permissions', { scope: 'a b', permissions: [] }, bare],
    ['a scope that is a list', { scope: ['a', 'b c'] }, { ...bare, permissions: ['a', 'b c'] }],
    ['a scope that is neither', { scope: { a: 1 } }, bare],
    ['scp as a string', { scp: 'a b' }, { ...bare, permissions: ['a', 'b'] }],
    ['scp as a list', { scp: ['a', 'b'] }, { ...bare, permissions: ['a', 'b'] }],
    ['scp, beside scope', { scp: ['a'], scope: 'b' }, { ...bare, permissions: ['b'] }],
    ['permissions that are null', { permissions: null, scope: 'b' }, { ...bare, permissions: ['b'] }],
    ['a tier that nobody knows', { tier: 'gold' }, { ...bare, tier: 'gold' }],
    ['a tier that is no string', { tier: 1 }, bare],
    ['a tier that is no header value', { tier: 'gold\n' }, bare],
    ['an email', { email: 'ada@example.com' }, { ...bare, email: 'ada@example.com' }],
    ['an email that is no string', { email: {} }, bare],
    ['an email that is no header value', { email: 'a@b\r\nX-User-Id: root' }, bare],
    ['members of every object', { ['__proto__']: { tier: 'premium' }, constructor: 'x', toString: 'y' }, bare]
  ]
  for (const [what, claims, user] of cases) {
    const answer = await ask(await issuer.sign(claims))
    t.strictSame([answer.status, answer.json], [200, user], what)
  }
})

t.test('the claims of roles, permissions, tier and email are configurable', async t => {
  const issuer = await startIssuer(t)
  const { ask } = await startGuarded(t, {
    issuer: issuer.issuer,
    claims: {
      roles: 'realm_access.roles',
      permissions: ['https://shop.example/permissions', 'scope'],
      tier: 'plan.name',
      email: ['constructor', 'toString.name', 'mail']
    }
  })
  const bare = { sub: 'ada', roles: [], permissions: [], tier: 'free' }
  const cases: [object, object][] = [
    [{ roles: ['admin'], tier: 'gold', email: 'ada@example.com' }, {}],
    [{ realm_access: { roles: ['admin'] } }, { roles: ['admin'] }],
    [{ 'realm_access.roles': 'admin', realm_access: { roles: ['editor'] } }, { roles: ['admin'] }],
    [{ realm_access: 'roles' }, {}],
    [{ realm_access: null }, {}],
    [{ 'https://shop.example/permissions': ['a'], scope: 'b' }, { permissions: ['a'] }],
    [{ scope: 'b' }, { permissions: ['b'] }],
    [{ plan: { name: 'gold' } }, { tier: 'gold' }],
    [{ plan: [] }, {}],
    [{ mail: 'ada@example.com' }, { email: 'ada@example.com' }],
    [{ constructor: 'ada@example.org', mail: 'ada@example.com' }, { email: 'ada@example.org' }]
  ]
  for (const [claims, members] of cases) {
    const { json } = await ask(await issuer.sign(claims))
    t.strictSame(json, { ...bare, ...members }, JSON.stringify(claims))
  }
})

t.test('at most a hundred roles are read', async t => {
  const issuer = await startIssuer(t)
  const { ask } = await startGuarded(t, { issuer: issuer.issuer })
  const roles = Array.from({ length: 120 }, (_, index) => `r${index}`)
  t.strictSame((await ask(await issuer.sign({ roles }))).json.roles, roles.slice(0, 100))
})

t.test('other users than the owner or an admin get 403 insufficient_scope', async t => {
  const identity = await startProvider(t)
  const asked: unknown[] = []
  const users = await startService(t, (request, response) => {
    asked.push(request.url)
    response.setHeader('content-type', 'application/json').end('{}')
  })
  const { url } = await startShop(t, { JWT_ISSUER: identity.issuer, USERS_URL: users })
  const read = async (id: string, client: string) =>
    call(`${url}/api/v1/users/${id}`, {
      headers: { authorization: `Bearer ${await identity.token(client)}` }
    })
  const answer = await read('grace', 'ada')
  t.equal(answer.status, 403)
  t.equal(answer.headers.get('www-authenticate'), 'Bearer error="insufficient_scope"')
  t.equal(answer.headers.get('content-type'), 'application/problem+json')
  t.match(answer.json, { type: 'urn:sluice:forbidden', title: 'Not allowed', status: 403 })
  t.strictSame(asked, [], 'the service is not called')

  t.equal((await read('ada', 'ada')).status, 200)
  t.equal((await read('ada', 'alan')).status, 200, 'an admin')
  t.strictSame(asked, ['/users/ada', '/users/ada'])
})

t.test('a token of one issuer is invalid in the scope of another', async t => {
  const [one, other] = await Promise.all([startIssuer(t), startIssuer(t)])
  const routes = async (app: import('fastify').FastifyInstance) =>
    void app.get('/', async ({ user }) => user ?? 'no user')
  const { url } = await startGateway(t, {
    issuers: {
      one: { issuer: one.issuer, audience: 'api://gateway' },
      other: { issuer: other.issuer, audience: 'api://gateway' }
    },
    scopes: {
      one: { prefix: '/one', routes, jwt: 'one' },
      other: { prefix: '/other', routes, jwt: 'other' },
      public: { prefix: '/public', routes }
    }
  })
  const token = await one.sign()
  const ask = (path: string) => call(url + path, { headers: { authorization: `Bearer ${token}` } })
  t.equal((await ask('/one')).status, 200)
  t.equal((await ask('/other')).json.title, 'Invalid token')
  t.equal((await ask('/public')).text, 'no user', 'without jwt there is no user')
})

t.test('an issuer or a key set over http beyond loopback is rejected with its path', t => {
  const hosts = ['http://id.example', 'http://127.0.0.1.id.example', 'http://localhost@id.example']
  for (const url of [...hosts, 'http://10.0.0.1', 'ftp://127.0.0.1', 'id.example', '']) {
    const message = 'must be an https:// URL, or an http:// one on loopback'
    t.match(faultsOf({ issuer: url }), [{ path: '/issuers/test/issuer', message }], `issuer ${url}`)
    t.match(faultsOf({ jwksUri: url }), [{ path: '/issuers/test/jwksUri', message }], `jwksUri ${url}`)
  }
  for (const issuer of [
    'https://id.example',
    'http://127.8.9.10:4000',
    'http://localhost/realm',
    'http://[::1]:1'
  ])
    t.strictSame(faultsOf({ issuer }), [], issuer)
  t.end()
})

t.test('missing and unknown options of an issuer are rejected with every path', t => {
  const path = (name: string) => `/issuers/test/${name}`
  const paths = (issuer: object) => faultsOf(issuer).map(fault => fault.path)
  t.strictSame(paths({ issuer: undefined, audience: undefined }).sort(), [path('audience'), path('issuer')])
  t.strictSame(paths({ audience: '' }), [path('audience')])
  t.strictSame(paths({ secret: 'hmac' }), [path('secret')])
  t.strictSame(paths({ algorithms: ['none'] }), [path('algorithms')])
  t.strictSame(paths({ clockTolerance: -1, cache: 0.5 }).sort(), [path('cache'), path('clockTolerance')])
  const jwks = { refreshAfter: 0, maxStale: 0, cooldown: 0, timeout: 0 }
  t.strictSame(
    paths({ jwks }).sort(),
    Object.keys(jwks)
      .map(name => path(`jwks/${name}`))
      .sort()
  )
  t.end()
})

t.test('a scope with an unknown issuer is rejected', t => {
  const scopes = { me: { prefix: '/me', routes: async () => {}, jwt: 'nobody' } }
  t.throws(() => resolveConfig({ default: { scopes } }, {}), {
    name: 'ConfigError',
    faults: [{ path: '/scopes/me/jwt', message: "no issuer is named 'nobody'; there are: none" }]
  })
  t.end()
})

function faultsOf(issuer: object) {
  const test = { issuer: 'https://id.example', audience: 'api://gateway', ...issuer }
  try {
    resolveConfig({ default: { issuers: { test } } }, {})
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.faults
    throw error
  }
}

async function startProvider(t: Test, options?: Parameters<typeof startIdentityProvider>[0]) {
  const identity = await startIdentityProvider(options)
  t.teardown(identity.close)
  return identity
}
