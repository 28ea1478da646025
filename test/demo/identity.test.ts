import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import t, { type Test } from 'tap'
import { startIdentityProvider } from '../../demo/identity.ts'

t.test('discovery names the issuer, its key set and its token endpoint', async t => {
  const identity = await startProvider(t)
  const metadata = await getJson(`${identity.issuer}/.well-known/openid-configuration`)
  t.equal(metadata.issuer, identity.issuer)
  t.equal(metadata.jwks_uri, `${identity.issuer}/jwks`)
  t.equal(metadata.token_endpoint, `${identity.issuer}/token`)
})

t.test('the key set has one RS256 key without private members', async t => {
  const identity = await startProvider(t)
  const { keys } = await getJson(`${identity.issuer}/jwks`)
  t.equal(keys.length, 1)
  t.strictSame(Object.keys(keys[0]).sort(), ['alg', 'e', 'kid', 'kty', 'n', 'use'])
  t.match(keys[0], { alg: 'RS256', kty: 'RSA', use: 'sig' })
})

t.test('a token is an RS256 at+jwt that verifies against the published keys', async t => {
  const identity = await startProvider(t)
  const token = await identity.token('alan')
  const { payload, protectedHeader } = await jwtVerify(token, keySetOf(identity), {
    issuer: identity.issuer,
    audience: 'api://gateway',
    typ: 'at+jwt',
    algorithms: ['RS256']
  })
  t.type(protectedHeader.kid, 'string')
  t.match(payload, {
    sub: 'alan',
    tier: 'premium',
    roles: ['admin'],
    email: 'alan@example.com',
    permissions: ['orders:read', 'orders:write'],
    scope: 'orders:read orders:write'
  })
  t.equal(Number(payload.exp) - Number(payload.iat), 3600)
})

t.test('the three clients have their tiers, and only alan is an admin', async t => {
  const identity = await startProvider(t)
  const claims = await Promise.all(
    ['ada', 'grace', 'alan'].map(async id => decodeJwt(await identity.token(id)))
  )
  t.strictSame(
    claims.map(({ tier, roles }) => [tier, roles]),
    [
      ['free', []],
      ['standard', []],
      ['premium', ['admin']]
    ]
  )
})

t.test('audience, lifetime, algorithm and clients are options', async t => {
  const identity = await startProvider(t, {
    audience: 'https://api.example.com',
    ttl: 5,
    alg: 'ES256',
    clients: [{ id: 'bob', secret: 'bob-secret', scope: 'all' }]
  })
  const token = await identity.token('bob')
  const { payload } = await jwtVerify(token, keySetOf(identity), {
    audience: 'https://api.example.com',
    algorithms: ['ES256']
  })
  t.equal(Number(payload.exp) - Number(payload.iat), 5)
  t.notOk('tier' in payload, 'a claim that the client does not have is left out')
})

t.test('overrides replace or remove claims, with a valid signature', async t => {
  const identity = await startProvider(t)
  const token = await identity.token('ada', {
    iss: 'https://elsewhere.example',
    exp: undefined,
    tier: 'premium'
  })
  const { payload } = await jwtVerify(token, keySetOf(identity), { typ: 'at+jwt' })
  t.match(payload, { sub: 'ada', iss: 'https://elsewhere.example', tier: 'premium' })
  t.notOk('exp' in payload)
})

t.test('a wrong secret or an unknown audience gets no token', async t => {
  const identity = await startProvider(t)
  const ask = (fields: Record<string, string>) =>
    fetch(`${identity.issuer}/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'client_credentials', client_id: 'ada', ...fields })
    })
  t.equal((await ask({ client_secret: 'guess' })).status, 401)
  t.equal((await ask({ client_secret: 'ada-secret', resource: 'api://other' })).status, 400)
  t.equal((await ask({ client_secret: 'ada-secret' })).status, 200)
})

t.test('after a rotation the new key signs, and tokens of the old key still verify', async t => {
  const identity = await startProvider(t)
  const before = await identity.token('ada')
  await identity.rotate()
  const after = await identity.token('ada')
  t.not(kidOf(before), kidOf(after))
  t.strictSame(await publishedKids(identity), [kidOf(after), kidOf(before)])
  await jwtVerify(before, keySetOf(identity))
  await jwtVerify(after, keySetOf(identity))
})

t.test('retiring removes all keys but the newest', async t => {
  const identity = await startProvider(t)
  const before = await identity.token('ada')
  await identity.rotate()
  await identity.rotate()
  await identity.retire()
  const after = await identity.token('ada')
  t.strictSame(await publishedKids(identity), [kidOf(after)])
  await t.rejects(jwtVerify(before, keySetOf(identity)), { code: 'ERR_JWKS_NO_MATCHING_KEY' })
})

t.test('keys can be rotated and retired over HTTP', async t => {
  const identity = await startProvider(t)
  const [first] = await publishedKids(identity)
  t.equal((await fetch(`${identity.issuer}/rotate`, { method: 'POST' })).status, 204)
  const kids = await publishedKids(identity)
  t.equal(kids.length, 2)
  t.equal(kids[1], first)
  t.equal((await fetch(`${identity.issuer}/retire`, { method: 'POST' })).status, 204)
  t.strictSame(await publishedKids(identity), [kids[0]])
})

t.test('the provider prints nothing', async t => {
  const printed = [t.capture(console, 'info'), t.capture(console, 'warn'), t.capture(console, 'error')]
  const identity = await startProvider(t)
  await identity.token('ada')
  await fetch(`${identity.issuer}/auth`)
  await fetch(`${identity.issuer}/nothing`)
  t.strictSame(
    printed.flatMap(calls => calls()),
    []
  )
})

type Identity = Awaited<ReturnType<typeof startIdentityProvider>>

async function startProvider(t: Test, options?: Parameters<typeof startIdentityProvider>[0]) {
  const identity = await startIdentityProvider(options)
  t.teardown(identity.close)
  return identity
}

async function getJson(url: string) {
  const response = await fetch(url)
  return JSON.parse(await response.text())
}

function keySetOf({ issuer }: Identity) {
  return createRemoteJWKSet(new URL(`${issuer}/jwks`))
}

async function publishedKids({ issuer }: Identity): Promise<string[]> {
  const { keys } = await getJson(`${issuer}/jwks`)
  return keys.map(({ kid }: { kid: string }) => kid)
}

function kidOf(token: string) {
  return decodeProtectedHeader(token).kid
}
