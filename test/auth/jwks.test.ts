import { randomUUID } from 'node:crypto'
import { base64url } from 'jose'
import t, { type Test } from 'tap'
import { startIdentityProvider } from '../../demo/identity.ts'
import type { Answer } from '../harness.ts'
import { makeKey, openJwks, type SigningKey, startGuarded, startIssuer, until } from '../issuer.ts'

const NEVER = 3_600_000

t.test('many first requests at once cause one fetch', async t => {
  const issuer = await startIssuer(t)
  const { ask } = await startGuarded(t, { issuer: issuer.issuer })
  const token = await issuer.sign()
  const answers = await Promise.all(Array.from({ length: 100 }, () => ask(token)))
  t.strictSame(countStatuses(answers), { 200: 100 })
  t.equal(issuer.fetches, 1)
})

t.test(
  'a flood of unknown kids causes one fetch, at once or one by one, and valid tokens pass meanwhile',
  async t => {
    const issuer = await startIssuer(t)
    const { ask } = await startGuarded(t, { issuer: issuer.issuer, jwks: { cooldown: NEVER } })
    const good = await issuer.sign()
    t.equal((await ask(good)).status, 200)

    const [atOnce, passing] = await Promise.all([
      Promise.all(Array.from({ length: 500 }, () => ask(unknown()))),
      Promise.all(Array.from({ length: 50 }, async () => ask(await issuer.sign())))
    ])
    t.strictSame(countStatuses(atOnce), { 401: 500 })
    t.strictSame(countStatuses(passing), { 200: 50 })
    t.equal(issuer.fetches, 2)

    const oneByOne: Answer[] = []
    for (let index = 0; index < 500; index++) oneByOne.push(await ask(unknown()))
    t.strictSame(countStatuses(oneByOne), { 401: 500 })
    t.equal(issuer.fetches, 2)
  }
)

t.test('a flood before the first fetch causes one fetch', async t => {
  const issuer = await startIssuer(t)
  const { ask } = await startGuarded(t, { issuer: issuer.issuer, jwks: { cooldown: NEVER } })
  const answers = await Promise.all(Array.from({ length: 100 }, () => ask(unknown())))
  t.strictSame(countStatuses(answers), { 401: 100 })
  t.equal(issuer.fetches, 1)
})

t.test('unknown kids and tokens without kid cause one fetch per cooldown', async t => {
  const { jwks, issuer, pass } = await openJwks(t)
  await jwks.find(issuer.keys[0]?.jwk.kid, 'ES256')
  for (let cooldown = 1; cooldown <= 3; cooldown++) {
    for (const kid of [...Array.from({ length: 20 }, () => randomUUID()), undefined])
      t.equal(await jwks.find(kid, 'PS256'), undefined)
    t.equal(issuer.fetches, 1 + cooldown)
    pass(4_999)
    await jwks.find('another', 'ES256')
    t.equal(issuer.fetches, 1 + cooldown)
    pass(1)
  }
})

t.test('an unsupported algorithm causes no fetch', async t => {
  const { jwks, issuer } = await openJwks(t)
  for (const algorithm of ['none', 'HS256', 'RS1', 'ES256K', 'constructor'])
    t.equal(await jwks.find(issuer.keys[0]?.jwk.kid, algorithm), undefined)
  t.equal(issuer.fetches, 0)
})

t.test("a provider's keys rotate without a rejected token, however fast, and then retire", async t => {
  const identity = await startProvider(t)
  const { ask } = await startGuarded(t, { issuer: identity.issuer, jwks: { cooldown: 1 } })
  const tokens: string[] = []
  for (let rotation = 0; rotation < 4; rotation++) {
    if (rotation > 0) await identity.rotate()
    tokens.push(await identity.token('ada'))
    const answers = await Promise.all(tokens.flatMap(token => [ask(token), ask(token)]))
    t.strictSame(countStatuses(answers), { 200: answers.length }, `after ${rotation} rotations`)
  }
  const uncached = await identity.token('grace')
  await identity.rotate()
  await identity.retire()
  t.equal((await ask(tokens[3])).status, 200, 'nobody knows yet')
  t.equal((await ask(await identity.token('ada'))).status, 200, 'the new key, for which the set is fetched')
  for (const token of tokens) t.equal((await ask(token)).json.title, 'Invalid token', 'verified before')
  t.equal((await ask(uncached)).json.title, 'Invalid token', 'never seen before')
})

t.test('many tokens of a new key at once all pass and cause one fetch', async t => {
  const [old, next] = await Promise.all([makeKey(), makeKey()])
  const issuer = await startIssuer(t, [old])
  const { ask } = await startGuarded(t, { issuer: issuer.issuer })
  await ask(await issuer.sign())
  issuer.publish(next, old)
  const tokens = await Promise.all(Array.from({ length: 100 }, (_, n) => issuer.sign({ jti: n }, {}, next)))
  t.strictSame(countStatuses(await Promise.all(tokens.map(token => ask(token)))), { 200: 100 })
  t.equal(issuer.fetches, 2)
})

t.test(
  "a retired key's tokens end by themselves, while all that comes is answered from the cache",
  async t => {
    const identity = await startProvider(t)
    const { ask } = await startGuarded(t, { issuer: identity.issuer, jwks: { refreshAfter: 1 } })
    const token = await identity.token('ada')
    t.equal((await ask(token)).status, 200)
    await identity.rotate()
    await identity.retire()
    const end = await until(
      () => ask(token),
      answer => answer.status !== 200
    )
    t.equal(end.json.title, 'Invalid token')
  }
)

t.test("a key that is replaced under its own kid ends the old key's tokens", async t => {
  const [old, next] = await Promise.all([
    makeKey('ES256', { kid: 'main' }),
    makeKey('ES256', { kid: 'main' })
  ])
  const issuer = await startIssuer(t, [old])
  const { ask } = await startGuarded(t, { issuer: issuer.issuer, jwks: { refreshAfter: 1 } })
  const token = await issuer.sign()
  t.equal((await ask(token)).status, 200)
  issuer.publish(next)
  await until(
    () => ask(token),
    answer => answer.status === 401
  )
  t.equal((await ask(await issuer.sign({}, {}, next))).status, 200)
})

t.test('a key that was listed twice is revoked when it leaves the set', async t => {
  const issuer = await startIssuer(t)
  const [key] = issuer.keys as [SigningKey]
  issuer.publish(key, key)
  const { ask } = await startGuarded(t, { issuer: issuer.issuer })
  const token = await issuer.sign()
  t.equal((await ask(token)).status, 200)
  const next = await makeKey()
  issuer.publish(next)
  t.equal((await ask(await issuer.sign({}, {}, next))).status, 200)
  t.equal((await ask(token)).status, 401)
})

t.test('a set without a usable key counts as a failed fetch: known keys stay in use', async t => {
  const { jwks, issuer, pass } = await openJwks(t)
  const [key] = issuer.keys as [SigningKey]
  const found = await jwks.find(key.jwk.kid, 'ES256')
  const { jwk: encrypting } = await makeKey('RS256', { use: 'enc' })
  for (const set of [[], [{ kty: 'oct', k: 'c2VjcmV0' }], [encrypting], [null]]) {
    issuer.publish(...set)
    pass(700_000)
    t.equal(await jwks.find(key.jwk.kid, 'ES256'), found)
    t.equal(found?.revoked, false)
  }
  issuer.publish(key)
  pass(700_000)
  t.equal(await jwks.find(key.jwk.kid, 'ES256'), found)
  issuer.publish()
  pass(3_600_001)
  await t.rejects(jwks.find(key.jwk.kid, 'ES256'), { code: 'SLUICE_KEYS_UNAVAILABLE' })
})

t.test('keys are refreshed in the background, and after a long pause before they are used', async t => {
  const { jwks, issuer, pass } = await openJwks(t)
  const [old] = issuer.keys as [SigningKey]
  const next = await makeKey()
  const found = await jwks.find(old.jwk.kid, 'ES256')
  t.ok(found)
  issuer.publish(next)
  pass(300_000)
  t.equal(await jwks.find(old.jwk.kid, 'ES256'), found, 'not yet')
  t.equal(issuer.fetches, 1)
  pass(1)
  t.equal(await jwks.find(old.jwk.kid, 'ES256'), found, 'in the background')
  await until(
    async () => found?.revoked,
    revoked => revoked === true
  )
  t.equal(issuer.fetches, 2)
  issuer.publish(old)
  pass(600_001)
  t.equal(await jwks.find(next.jwk.kid, 'ES256'), undefined, 'after a pause')
})

t.test('a key that stays is the same object after a refresh', async t => {
  const { jwks, issuer, pass } = await openJwks(t)
  const kid = issuer.keys[0]?.jwk.kid
  const before = await jwks.find(kid, 'ES256')
  pass(600_001)
  t.equal(await jwks.find(kid, 'ES256'), before)
  t.equal(issuer.fetches, 2)
  t.equal(before?.revoked, false)
})

t.test('with maxStale below refreshAfter, keys are fetched again in time', async t => {
  const { jwks, issuer, pass } = await openJwks(t, { refreshAfter: 300_000, maxStale: 1_000 })
  const kid = issuer.keys[0]?.jwk.kid
  const before = await jwks.find(kid, 'ES256')
  pass(1_001)
  t.match(await jwks.find(kid, 'ES256'), { kid, revoked: false })
  t.equal(issuer.fetches, 2)
  t.equal(before?.revoked, true)
  pass(1_001)
  const last = await jwks.find(kid, 'ES256')
  pass(1_001)
  jwks.touch()
  t.equal(last?.revoked, true, 'also for tokens that are answered from the cache')
})

t.test('the first hundred keys of a very large set are read', async t => {
  const [first, last] = await Promise.all([makeKey(), makeKey()])
  const issuer = await startIssuer(t, [first])
  issuer.publish(
    first,
    ...Array.from({ length: 99 }, (_, index) => ({ ...first.jwk, kid: `${index}` })),
    last
  )
  const { ask } = await startGuarded(t, { issuer: issuer.issuer })
  t.equal((await ask(await issuer.sign())).status, 200)
  t.equal((await ask(await issuer.sign({}, { kid: '98' }))).status, 200)
  t.equal((await ask(await issuer.sign({}, {}, last))).status, 401)
})

async function startProvider(t: Test) {
  const identity = await startIdentityProvider()
  t.teardown(identity.close)
  return identity
}

/** A token with an unknown key. Its signature cannot be checked without one. */
function unknown(): string {
  const encode = (part: object) => base64url.encode(JSON.stringify(part))
  return `${encode({ alg: 'RS256', kid: randomUUID() })}.${encode({ sub: 'ada' })}.${'A'.repeat(342)}`
}

function countStatuses(answers: Answer[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { status } of answers) counts[status] = (counts[status] ?? 0) + 1
  return counts
}
