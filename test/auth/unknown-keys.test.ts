import { randomUUID } from 'node:crypto'
import { request } from 'node:http'
import t from 'tap'
import {
  type Issuer,
  makeKey,
  openJwks,
  type SigningKey,
  startGuarded,
  startIssuer,
  until
} from '../issuer.ts'

const COOLDOWN = 3_600_000

t.test('an invented key id just before a rotation does not reject tokens of the new key', async t => {
  const issuer = await startIssuer(t)
  const { ask } = await startGuarded(t, { issuer: issuer.issuer, jwks: { cooldown: COOLDOWN } })
  t.equal((await ask(await issuer.sign())).status, 200)
  t.equal((await ask(await madeUp(issuer))).status, 401)
  const next = await makeKey()
  issuer.publish(next)
  t.equal((await ask(await issuer.sign({}, {}, next))).status, 200)
  t.equal(issuer.fetches, 3)
})

t.test('a key that cannot be looked up now is 503 with Retry-After, never 401', async t => {
  const issuer = await startIssuer(t)
  const { ask } = await startGuarded(t, { issuer: issuer.issuer, jwks: { cooldown: COOLDOWN } })
  t.equal((await ask(await issuer.sign())).status, 200)
  const statuses: number[] = []
  for (let i = 0; i < 50; i++) statuses.push((await ask(await madeUp(issuer))).status)
  t.strictSame(statuses.slice(0, 4), [401, 401, 401, 401], 'each was looked for')
  t.ok(statuses.slice(4).every(status => status === 503))
  const fetches = issuer.fetches
  t.equal(fetches, 5, 'the issuer is asked a bounded number of times')

  const next = await makeKey()
  issuer.publish(next, issuer.keys[0])
  const answer = await ask(await issuer.sign({}, {}, next))
  t.equal(answer.status, 503)
  const wait = Number(answer.headers.get('retry-after'))
  t.ok(wait > 3_590 && wait <= 3_600, `Retry-After: ${wait}`)
  t.equal((await ask(await issuer.sign())).status, 200, 'known keys are not affected')
  t.equal(issuer.fetches, fetches)
})

t.test('tokens of a new key pass that come during a fetch begun before the rotation', async t => {
  const issuer = await startIssuer(t)
  const { ask } = await startGuarded(t, { issuer: issuer.issuer, jwks: { cooldown: COOLDOWN } })
  await ask(await issuer.sign())
  const next = await makeKey()
  const tokens = await Promise.all(Array.from({ length: 50 }, (_, jti) => issuer.sign({ jti }, {}, next)))
  const release = issuer.hold()
  const early = ask(await madeUp(issuer))
  await until(
    async () => issuer.fetches,
    fetches => fetches === 2
  )
  const answers = tokens.map(token => ask(token))
  t.equal((await ask(await issuer.sign())).status, 200, 'known keys do not wait')
  release()
  issuer.publish(next, issuer.keys[0])
  t.strictSame(new Set((await Promise.all(answers)).map(({ status }) => status)), new Set([200]))
  t.equal((await early).status, 401)
  t.ok(issuer.fetches <= 4)
})

t.test('invented key ids of one client do not delay the new key of another', async t => {
  const issuer = await startIssuer(t)
  const { url, ask } = await startGuarded(t, { issuer: issuer.issuer, jwks: { cooldown: COOLDOWN } })
  for (let i = 0; i < 20; i++) await ask(await madeUp(issuer))
  const next = await makeKey()
  issuer.publish(next)
  t.equal(await statusFrom('127.0.0.2', url, await issuer.sign({}, {}, next)), 200)
})

t.test('invented key ids from many addresses cause a bounded number of fetches', async t => {
  const issuer = await startIssuer(t)
  const { url } = await startGuarded(t, { issuer: issuer.issuer, jwks: { cooldown: COOLDOWN } })
  for (let i = 2; i < 32; i++) await statusFrom(`127.0.0.${i}`, url, await madeUp(issuer))
  t.equal(issuer.fetches, 13)
})

t.test('a token with other faults is 401 within the cooldown', async t => {
  const issuer = await startIssuer(t)
  const { ask } = await startGuarded(t, { issuer: issuer.issuer, jwks: { cooldown: COOLDOWN } })
  for (let i = 0; i < 10; i++) await ask(await madeUp(issuer))
  for (const claims of [
    { iss: 'https://other.example' },
    { aud: 'api://other' },
    { aud: undefined },
    { exp: 1 },
    { exp: undefined },
    { nbf: 1e12 },
    { sub: undefined }
  ])
    t.equal((await ask(await madeUp(issuer, claims))).status, 401, JSON.stringify(claims))
})

t.test('an empty key set rejects no token, and is 503 if no key is known', async t => {
  const issuer = await startIssuer(t)
  const { ask } = await startGuarded(t, { issuer: issuer.issuer, jwks: { refreshAfter: 1 } })
  issuer.publish()
  const first = await ask(await issuer.sign())
  t.equal(first.status, 503)
  t.equal(first.headers.get('retry-after'), '1')

  const well = await startIssuer(t)
  const other = await startGuarded(t, { issuer: well.issuer, jwks: { refreshAfter: 1 } })
  t.equal((await other.ask(await well.sign())).status, 200)
  well.publish()
  for (let jti = 0; jti < 5; jti++) t.equal((await other.ask(await well.sign({ jti }))).status, 200)
  t.equal((await other.ask(await madeUp(well))).status, 503)
})

t.test('every key is tried for a shared kid and for a token without kid', async t => {
  const [one, two, three] = (await Promise.all([0, 1, 2].map(() => makeKey('RS256', { kid: 'same' })))) as [
    SigningKey,
    SigningKey,
    SigningKey
  ]
  const bare = await makeKey('ES256', { kid: undefined })
  const issuer = await startIssuer(t, [one, two, bare])
  const { ask } = await startGuarded(t, { issuer: issuer.issuer, jwks: { cooldown: COOLDOWN } })
  for (const key of [one, two]) {
    t.equal((await ask(await issuer.sign({}, {}, key))).status, 200)
    t.equal((await ask(await issuer.sign({}, { kid: undefined }, key))).status, 200, 'no kid')
  }
  t.equal((await ask(await issuer.sign({}, { kid: 'any' }, bare))).status, 200, 'a key without kid')
  t.equal((await ask(await issuer.sign({}, {}, three))).status, 401, 'signed by none of them')
  t.equal((await ask(await issuer.sign({ aud: 'api://other' }, {}, two))).status, 401)
  const expired = await ask(await issuer.sign({ exp: 1 }, {}, two))
  t.equal(expired.json.title, 'Token expired')
  t.equal(issuer.fetches, 1)
  issuer.publish(three, bare)
  t.equal((await ask(await issuer.sign({ jti: 1 }, { kid: undefined }, three))).status, 200, 'a new key')
  t.equal(issuer.fetches, 2)
})

t.test('a token ends with the key that verified it, of several with one kid too', async t => {
  const [one, two] = (await Promise.all([0, 1].map(() => makeKey('ES256', { kid: 'same' })))) as [
    SigningKey,
    SigningKey
  ]
  const issuer = await startIssuer(t, [one, two])
  const { ask } = await startGuarded(t, { issuer: issuer.issuer })
  const [first, second] = await Promise.all([issuer.sign({}, {}, one), issuer.sign({}, {}, two)])
  t.strictSame([(await ask(first)).status, (await ask(second)).status], [200, 200])
  const next = await makeKey()
  issuer.publish(one, next)
  t.equal((await ask(await issuer.sign({}, {}, next))).status, 200)
  t.strictSame([(await ask(first)).status, (await ask(second)).status], [200, 401])
})

t.test('RSA keys with an exponent below 3 or an even one verify nothing', async t => {
  const { jwk } = await makeKey('RS256')
  const { jwks, issuer } = await openJwks(t)
  for (const e of ['AQ', 'Ag', 'BA', 'AQAA', '']) {
    issuer.publish({ ...jwk, e, kid: e }, issuer.keys[0])
    t.equal(await jwks.find(e, 'RS256'), undefined, `e: ${e}`)
  }
  const other = await openJwks(t)
  other.issuer.publish({ ...jwk, e: 'Aw', kid: '3' }, other.issuer.keys[0])
  t.ok(await other.jwks.find('3', 'RS256'))
})

t.test('members that are null count as missing; a key with a wrong type is ignored', async t => {
  const { jwk } = await makeKey('ES256')
  const keys: [object, boolean][] = [
    [{ use: null, key_ops: null, alg: null, d: null, x5c: null }, true],
    [{ key_ops: ['verify', 'sign'] }, true],
    [{ key_ops: 'verify' }, false],
    [{ key_ops: { includes: 'verify' } }, false],
    [{ key_ops: [] }, false],
    [{ use: 'SIG' }, false],
    [{ alg: 'ES384' }, false],
    [{ kid: ['x'] }, false]
  ]
  for (const [members, isKey] of keys) {
    const { jwks, issuer } = await openJwks(t)
    issuer.publish({ ...jwk, kid: 'x', ...members }, issuer.keys[0])
    t.equal((await jwks.find('x', 'ES256')) !== undefined, isKey, JSON.stringify(members))
  }
})

t.test('Ed25519 and EdDSA name the same algorithm of an Ed25519 key', async t => {
  for (const alg of ['EdDSA', 'Ed25519', undefined]) {
    const key = await makeKey('Ed25519', { alg })
    const issuer = await startIssuer(t, [key])
    const { ask } = await startGuarded(t, { issuer: issuer.issuer })
    for (const name of ['EdDSA', 'Ed25519'])
      t.equal((await ask(await issuer.sign({}, { alg: name }))).status, 200, `${name} by a key for ${alg}`)
    t.equal((await ask(await issuer.sign({}, { alg: 'Ed25519' }, await makeKey('Ed25519')))).status, 401)
  }
})

t.test('a key set may begin with a byte order mark', async t => {
  const issuer = await startIssuer(t)
  issuer.fail('byte order mark')
  const { ask } = await startGuarded(t, { issuer: issuer.issuer })
  t.equal((await ask(await issuer.sign())).status, 200)
})

/** A token with valid claims, signed by a key that the issuer does not have. */
async function madeUp(issuer: Issuer, claims: object = {}): Promise<string> {
  return issuer.sign({ jti: randomUUID(), ...claims }, { kid: randomUUID() }, await stranger)
}
const stranger = makeKey()

function statusFrom(localAddress: string, url: string, token: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(url, { localAddress, headers: { authorization: `Bearer ${token}` } }, response =>
      response.resume().on('end', () => resolve(response.statusCode))
    )
      .on('error', reject)
      .end()
  })
}
