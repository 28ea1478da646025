import { createPublicKey, createSign, generateKeyPairSync } from 'node:crypto'
import { request } from 'node:http'
import { base64url, CompactSign } from 'jose'
import t from 'tap'
import { type Answer, call, startGateway, startService } from '../harness.ts'
import { inMs, makeKey, type SigningKey, signAs, startGuarded, startIssuer } from '../issuer.ts'

const MISSING = ['Missing authorization token', 'urn:sluice:token-missing', 'Bearer']
const EXPIRED = [
  'Token expired',
  'urn:sluice:token-expired',
  'Bearer error="invalid_token", error_description="expired"'
]
const INVALID = ['Invalid token', 'urn:sluice:token-invalid', 'Bearer error="invalid_token"']

t.test('a request without a bearer token is rejected as missing one', async t => {
  const { url, ask } = await startGuarded(t, { issuer: (await startIssuer(t)).issuer })
  isRefused(t, await ask(), MISSING, 'no header')
  isRefused(t, await ask('YWRhOnNlY3JldA==', 'Basic'), MISSING, 'another scheme')
  isRefused(t, await ask('a.b.c', 'Bearers'), MISSING, 'a scheme that only begins as ours')
  isRefused(t, await ask('', 'Bearer'), MISSING, 'a scheme without a token')
  isRefused(t, await ask('', ''), MISSING, 'an empty header')
  isRefused(t, await ask(`?access_token=${'a'.repeat(20)}`, ''), MISSING, 'what is no scheme')
  t.equal((await fetch(`${url}?access_token=a.b.c`)).status, 401, 'a token in the query does not count')
})

t.test('malformed tokens are rejected without a fetch of keys', async t => {
  const issuer = await startIssuer(t)
  const { ask } = await startGuarded(t, { issuer: issuer.issuer })
  const token = await issuer.sign()
  const [header, payload, signature] = token.split('.') as [string, string, string]
  const cases = {
    'a word': 'garbage',
    'two parts': `${header}.${payload}`,
    'five parts, as an encrypted token has': `${header}.${payload}.${signature}.a.b`,
    'only dots': '..',
    'characters that are no base64url': `${header}.${payload}.${signature}~`,
    padding: `${token}=`,
    'a second token': `${token} ${token}`,
    'a list of tokens': `${token},${token}`,
    'a header that is no JSON': `${base64url.encode('{"alg":')}.${payload}.${signature}`,
    'a header that is no object': `${base64url.encode('["RS256"]')}.${payload}.${signature}`,
    'a header that is null': `${base64url.encode('null')}.${payload}.${signature}`,
    'a payload that is no JSON': `${header}.${base64url.encode('sub=ada')}.${signature}`,
    'a payload that is no object': `${header}.${base64url.encode('"ada"')}.${signature}`,
    'a header nested a thousand deep': `${base64url.encode('['.repeat(1000))}.${payload}.${signature}`
  }
  for (const [what, text] of Object.entries(cases)) isRefused(t, await ask(text), INVALID, what)
  t.equal(issuer.fetches, 0)
})

t.test('a valid token of more than 8 KiB is rejected', async t => {
  const issuer = await startIssuer(t)
  const { ask } = await startGuarded(t, { issuer: issuer.issuer })
  isRefused(t, await ask(await issuer.sign({ padding: 'x'.repeat(8_192) })), INVALID, 'over 8 KiB')
  t.equal((await ask(await issuer.sign({ padding: 'x'.repeat(5_000) }))).status, 200, 'less is not')
})

t.test('a token with another audience, issuer or time is rejected', async t => {
  const issuer = await startIssuer(t)
  const { ask } = await startGuarded(t, { issuer: issuer.issuer })
  const invalid: Record<string, object> = {
    'another issuer': { iss: 'http://127.0.0.1:1' },
    'the issuer with a slash': { iss: `${issuer.issuer}/` },
    'several issuers': { iss: [issuer.issuer] },
    'no issuer': { iss: undefined },
    'another audience': { aud: 'api://other' },
    'an audience that begins as ours': { aud: 'api://gateway.evil' },
    'other audiences': { aud: ['api://other', 'api://another'] },
    'no audience': { aud: undefined },
    'an empty list of audiences': { aud: [] },
    'an audience that is an object': { aud: { 'api://gateway': true } },
    'an audience that is null': { aud: null },
    'no exp': { exp: undefined },
    'an exp that is a string': { exp: String(inMs(60_000)) },
    'an exp that is null': { exp: null },
    'an exp that is a list': { exp: [inMs(60_000)] },
    'an exp that is true': { exp: true },
    'an nbf to come': { nbf: inMs(60_000) },
    'an nbf that is a string': { nbf: '0' },
    'an nbf beyond every date': { nbf: 1e300 },
    'no sub': { sub: undefined },
    'an empty sub': { sub: '' },
    'a sub that is a number': { sub: 7 },
    'a sub that is a list': { sub: ['ada'] },
    'a sub with another header in it': { sub: 'ada\r\nX-User-Roles: admin' },
    'a sub with a newline': { sub: 'ada\n' },
    'a sub with NUL': { sub: 'ada\0' },
    'a sub with DEL': { sub: 'ada\x7f' },
    'a sub with space around it': { sub: ' ada' },
    'a sub with a line separator': { sub: 'ada\u2028' },
    'a sub beyond ASCII, which headers may not agree on': { sub: 'adа' },
    'a sub without end': { sub: 'a'.repeat(257) }
  }
  for (const [what, claims] of Object.entries(invalid))
    isRefused(t, await ask(await issuer.sign(claims)), INVALID, what)

  const expired: Record<string, object> = {
    'a minute ago': { exp: inMs(-60_000) },
    'in 1970': { exp: 0 },
    'before that': { exp: -1 }
  }
  for (const [what, claims] of Object.entries(expired))
    isRefused(t, await ask(await issuer.sign(claims)), EXPIRED, what)
})

t.test('a token counts as expired only if its signature is valid', async t => {
  const issuer = await startIssuer(t)
  const { ask } = await startGuarded(t, { issuer: issuer.issuer })
  const forged = await issuer.sign({ exp: inMs(-60_000) }, { kid: issuer.keys[0]?.jwk.kid }, await makeKey())
  isRefused(t, await ask(forged), INVALID, 'signed by another')
})

t.test('inherited members of objects do not count as claims', async t => {
  const issuer = await startIssuer(t)
  const { ask } = await startGuarded(t, { issuer: issuer.issuer })
  const good = { iss: issuer.issuer, aud: 'api://gateway', sub: 'ada', exp: inMs(60_000) }
  const { alg, jwk } = issuer.keys[0] as SigningKey
  const token = await signAs(issuer.keys[0] as SigningKey, `{"__proto__":${JSON.stringify(good)}}`, {
    alg,
    kid: jwk.kid
  })
  isRefused(t, await ask(token), INVALID, 'claims of a prototype')
})

t.test('an exp beyond the range of numbers is rejected', async t => {
  const issuer = await startIssuer(t)
  const { ask } = await startGuarded(t, { issuer: issuer.issuer })
  const good = JSON.stringify({ iss: issuer.issuer, aud: 'api://gateway', sub: 'ada', exp: 0 })
  const { alg, jwk } = issuer.keys[0] as SigningKey
  for (const exp of ['1e400', '-1e400']) {
    const claims = good.replace('"exp":0', `"exp":${exp}`)
    const token = await signAs(issuer.keys[0] as SigningKey, claims, { alg, kid: jwk.kid })
    t.equal((await ask(token)).status, 401, exp)
  }
})

t.test('a missing or invalid signature is rejected', async t => {
  const issuer = await startIssuer(t)
  const { ask } = await startGuarded(t, { issuer: issuer.issuer })
  const kid = issuer.keys[0]?.jwk.kid
  const token = await issuer.sign()
  const [header, payload, signature] = token.split('.') as [string, string, string]
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString())
  const admin = base64url.encode(JSON.stringify({ ...claims, roles: ['admin'] }))
  const none = (alg: string) => base64url.encode(JSON.stringify({ alg, kid }))
  t.equal((await ask(token)).status, 200)
  isRefused(t, await ask(`${header}.${payload}.`), INVALID, 'no signature')
  isRefused(t, await ask(`${header}.${admin}.${signature}`), INVALID, 'the signature of other claims')
  isRefused(t, await ask(flip(token)), INVALID, 'a signature that is off by a bit')
  isRefused(t, await ask(`${token.slice(0, -4)}`), INVALID, 'a signature that is cut')
  isRefused(t, await ask(await issuer.sign({}, { kid }, await makeKey())), INVALID, "another's signature")
  for (const alg of ['none', 'None', 'NONE', 'nOnE', '']) {
    isRefused(t, await ask(`${none(alg)}.${payload}.`), INVALID, `'${alg}' without a signature`)
    isRefused(t, await ask(`${none(alg)}.${payload}.${signature}`), INVALID, `'${alg}' with a signature`)
  }
})

t.test('HS256 with the public key as its secret is rejected, in every form of the key', async t => {
  const issuer = await startIssuer(t, [await makeKey('RS256')])
  const { ask } = await startGuarded(t, { issuer: issuer.issuer })
  const { jwk } = issuer.keys[0] as SigningKey
  const key = createPublicKey({ key: jwk as never, format: 'jwk' })
  const spki = key.export({ type: 'spki', format: 'pem' }).toString()
  const secrets = {
    'an SPKI PEM': spki,
    'the same, trimmed': spki.trim(),
    'a PKCS1 PEM': key.export({ type: 'pkcs1', format: 'pem' }).toString(),
    'a JWK': JSON.stringify(jwk),
    'its modulus': jwk.n as string
  }
  const claims = { iss: issuer.issuer, aud: 'api://gateway', sub: 'ada', exp: inMs(60_000) }
  for (const [what, secret] of Object.entries(secrets))
    for (const alg of ['HS256', 'HS512']) {
      const token = await new CompactSign(Buffer.from(JSON.stringify(claims)))
        .setProtectedHeader({ alg, kid: jwk.kid })
        .sign(Buffer.from(secret))
      isRefused(t, await ask(token), INVALID, `${alg} with ${what}`)
    }
})

t.test('a key verifies its own algorithm only', async t => {
  const [rs, any, p256, p384] = await Promise.all([
    makeKey('RS256'),
    makeKey('RS256', { alg: undefined }),
    makeKey('ES256'),
    makeKey('ES384')
  ])
  const issuer = await startIssuer(t, [rs, any, p256, p384])
  const { ask } = await startGuarded(t, { issuer: issuer.issuer, jwks: { cooldown: 1 } })
  const kidOf = (key: typeof rs) => ({ kid: key.jwk.kid })
  const cases: Record<string, Promise<string>> = {
    'PS256 by an RS256 key': issuer.sign({}, { alg: 'PS256' }, rs),
    'RS512 by an RS256 key': issuer.sign({}, { alg: 'RS512' }, rs),
    'ES256, naming an RSA key': issuer.sign({}, kidOf(any), p256),
    'RS256, naming an EC key': issuer.sign({}, kidOf(p256), any),
    'ES384, naming a P-256 key': issuer.sign({}, kidOf(p256), p384)
  }
  for (const [what, token] of Object.entries(cases)) isRefused(t, await ask(await token), INVALID, what)
  for (const key of [rs, any, p256, p384]) t.equal((await ask(await issuer.sign({}, {}, key))).status, 200)
})

t.test('a header with unsupported members is rejected', async t => {
  const issuer = await startIssuer(t, [await makeKey('RS256')])
  const { ask } = await startGuarded(t, { issuer: issuer.issuer })
  const { alg, jwk, secret } = issuer.keys[0] as SigningKey
  const [, payload] = (await issuer.sign()).split('.') as [string, string]
  const cases: Record<string, object> = {
    'crit with an extension': { crit: ['urn:x'], 'urn:x': true },
    'crit with b64': { crit: ['b64'], b64: true },
    'crit with what is always understood': { crit: ['alg'] },
    'crit with what is not there': { crit: ['urn:x'] },
    'an empty crit': { crit: [] },
    'a crit that is null': { crit: null },
    'a crit that is false': { crit: false },
    'a crit that is an empty string': { crit: '' },
    'a crit that is an object': { crit: {} },
    'a kid that is a number': { kid: 7 },
    'a kid that is null': { kid: null },
    'a kid that is a list with the kid': { kid: [jwk.kid] },
    'a kid that is an object': { kid: { toString: 'x' } },
    'an alg that is a list': { alg: [alg] },
    'an alg that is missing': { alg: undefined },
    'an alg of every object': { alg: 'constructor' },
    'an alg in lower case': { alg: 'rs256' },
    'the typ of a logout token': { typ: 'logout+jwt' },
    'the typ of a security event': { typ: 'secevent+jwt' },
    'the typ of a proof': { typ: 'dpop+jwt' },
    'the typ of an introspection': { typ: 'token-introspection+jwt' },
    'a typ that ends as ours': { typ: 'xat+jwt' },
    'an empty typ': { typ: '' },
    'a typ that is null': { typ: null },
    'a typ that is a list': { typ: ['at+jwt'] }
  }
  for (const [what, members] of Object.entries(cases)) {
    const header = base64url.encode(JSON.stringify({ alg, kid: jwk.kid, typ: 'at+jwt', ...members }))
    isRefused(t, await ask(signRs256(`${header}.${payload}`, secret)), INVALID, what)
  }
  const header = base64url.encode(JSON.stringify({ alg, kid: jwk.kid, typ: 'at+jwt', 'urn:x': true }))
  t.equal(
    (await ask(signRs256(`${header}.${payload}`, secret))).status,
    200,
    'more that is not critical is not'
  )
})

t.test('keys in or referenced by a token are neither used nor fetched', async t => {
  const issuer = await startIssuer(t)
  const { ask } = await startGuarded(t, { issuer: issuer.issuer, jwks: { cooldown: 1 } })
  const attacker = await makeKey()
  const asked: unknown[] = []
  const url = await startService(t, (request, response) => {
    asked.push(request.url)
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [attacker.jwk] }))
  })
  const headers: Record<string, object> = {
    jku: { jku: `${url}/jwks` },
    x5u: { x5u: `${url}/cert.pem` },
    jwk: { jwk: attacker.jwk },
    'jwk without kid': { jwk: attacker.jwk, kid: undefined },
    x5c: { x5c: ['MIIB'] },
    'a kid that is a URL': { kid: `${url}/jwks` },
    'a kid that is a path': { kid: '../../../../dev/null' },
    'all of them, with a good kid': {
      jku: `${url}/jwks`,
      x5u: `${url}/c`,
      jwk: attacker.jwk,
      kid: issuer.keys[0]?.jwk.kid
    }
  }
  for (const [what, header] of Object.entries(headers))
    isRefused(t, await ask(await issuer.sign({}, header, attacker)), INVALID, what)
  const foreign = await issuer.sign({ iss: url }, { jku: `${url}/jwks` }, attacker)
  isRefused(t, await ask(foreign), INVALID, 'an issuer of its own')
  t.strictSame(asked, [])
})

t.test('unusable keys in the set are ignored and do not affect the others', async t => {
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 })
  const secret = base64url.encode('0123456789abcdef0123456789abcdef')
  const good = await makeKey()
  const [encrypting, wrapping, signing, leaked, numbered, curve] = await Promise.all([
    makeKey('RS256', { use: 'enc' }),
    makeKey('RS256', { alg: 'RSA-OAEP' }),
    makeKey('RS256', { use: undefined, key_ops: ['encrypt'] }),
    makeKey('RS256'),
    makeKey('RS256', { kid: 7 }),
    makeKey('ES256', { crv: 'P-384' })
  ])
  const issuer = await startIssuer(t, [good])
  const hostile = [
    null,
    7,
    'key',
    [],
    {},
    { kty: 'EC', crv: 'constructor', kid: 'c' },
    { kty: 'OKP', crv: '__proto__' }
  ]
  issuer.publish(
    ...hostile,
    { kty: 'constructor' },
    { kty: { toString: 1 }, crv: { toString: 1 } },
    { kty: 'RSA', alg: 'RS256', n: 'AQAB', kid: 'half' },
    { kty: 'RSA', alg: ['RS256'], n: {}, e: 3, kid: 'typeless' },
    { ...weak.publicKey.export({ format: 'jwk' }), alg: 'RS256', kid: 'weak' },
    { kty: 'oct', k: secret, alg: 'HS256', kid: 'shared' },
    { kty: 'oct', k: secret, kid: 'shared any' },
    encrypting,
    wrapping,
    signing,
    { ...leaked.jwk, ...leaked.secret, alg: 'RS256' },
    numbered,
    curve,
    good
  )
  const { ask } = await startGuarded(t, { issuer: issuer.issuer, jwks: { cooldown: 1 } })
  t.equal((await ask(await issuer.sign())).status, 200, 'a good key among them')

  const refused = async (what: string, token: string) => isRefused(t, await ask(token), INVALID, what)
  await refused('use: enc', await issuer.sign({}, {}, encrypting))
  await refused('alg: RSA-OAEP', await issuer.sign({}, {}, wrapping))
  await refused('key_ops without verify', await issuer.sign({}, {}, signing))
  await refused("a private key, which is now everyone's", await issuer.sign({}, {}, leaked))
  await refused('a kid that is a number', await issuer.sign({}, {}, numbered))
  await refused('a curve that is not its own', await issuer.sign({}, {}, curve))
  const claims = { iss: issuer.issuer, aud: 'api://gateway', sub: 'ada', exp: inMs(60_000) }
  const payload = base64url.encode(JSON.stringify(claims))
  const header = base64url.encode(JSON.stringify({ alg: 'RS256', kid: 'weak' }))
  await refused(
    'RSA of 1024 bits',
    signRs256(`${header}.${payload}`, weak.privateKey.export({ format: 'jwk' }))
  )
  for (const kid of ['shared', 'shared any'])
    await refused(
      `a symmetric key, ${kid}`,
      await new CompactSign(Buffer.from(JSON.stringify(claims)))
        .setProtectedHeader({ alg: 'HS256', kid })
        .sign(base64url.decode(secret))
    )
})

t.test('a rejected request has no user', async t => {
  const issuer = await startIssuer(t)
  const users: unknown[] = []
  const { url } = await startGateway(t, {
    issuers: { test: { issuer: issuer.issuer, audience: 'api://gateway' } },
    scopes: {
      me: {
        prefix: '/me',
        jwt: 'test',
        routes: async app => {
          app.addHook('onResponse', async ({ user }) => void users.push(user))
          app.get('/', async () => 'never')
        }
      }
    }
  })
  for (const claims of [{ sub: 'ada\n', roles: ['admin'] }, { aud: 'api://other' }])
    await call(`${url}/me`, { headers: { authorization: `Bearer ${await issuer.sign(claims)}` } })
  t.strictSame(users, [undefined, undefined])
})

t.test('two Authorization headers are rejected', async t => {
  const issuer = await startIssuer(t)
  const { url } = await startGuarded(t, { issuer: issuer.issuer })
  const good = `Bearer ${await issuer.sign()}`
  t.equal(await statusOf(url, ['Authorization', good, 'Authorization', 'Bearer garbage']), 401)
  t.equal(await statusOf(url, ['Authorization', 'Bearer garbage', 'Authorization', good]), 401)
  t.equal(await statusOf(url, ['Authorization', good, 'Authorization', good]), 401)
})

function isRefused(
  t: { same: any; strictSame: any },
  answer: Answer,
  expected: string[],
  what: string
): void {
  const { requestId, ...problem } = answer.json ?? {}
  const [title, type, challenge] = expected
  t.strictSame(
    [answer.status, answer.headers.get('content-type'), answer.headers.get('www-authenticate'), problem],
    [401, 'application/problem+json', challenge, { type, title, status: 401 }],
    what
  )
}

/** For headers and keys that jose refuses to sign with. */
function signRs256(input: string, privateJwk: object): string {
  const key = { key: privateJwk as never, format: 'jwk' as const }
  return `${input}.${createSign('RSA-SHA256').update(input).sign(key, 'base64url')}`
}

/** Returns the token with the first bit of its signature flipped. */
function flip(token: string): string {
  const [header, payload, signature] = token.split('.') as [string, string, string]
  const bytes = Buffer.from(signature, 'base64url')
  bytes[0] = (bytes[0] as number) ^ 1
  return `${header}.${payload}.${bytes.toString('base64url')}`
}

async function statusOf(url: string, headers: string[]): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const { host } = new URL(url)
    request(url, { headers: ['Host', host, ...headers] as never }, response => {
      response.resume().on('end', () => resolve(response.statusCode))
    })
      .on('error', reject)
      .end()
  })
}
