import { Buffer } from 'node:buffer'
import t from 'tap'
import { createSubstituteKeys } from '../../auth/substitute-keys.ts'
import { golden, sluice } from './golden.ts'

const CONFIG = 'test/cli/configs/explained.ts'
/** Headers that the gateway would otherwise generate. */
const FIXED = ['-H', 'X-Request-Id: r1', '-H', `Traceparent: 00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`]

async function explain(...args: string[]) {
  return sluice(['explain', '-c', CONFIG, ...FIXED, ...args])
}

/** Arguments and exit code by name. */
const cases: Record<string, [args: string[], code: number]> = {
  forwarded: [
    ['GET', '/open/1?limit=5&debug=1&token=abc', '-H', 'Cookie: a=b', '-H', 'Authorization: Basic eDp5'],
    0
  ],
  'forwarded-body': [['POST', '/open/1', '-d', '{"password":"hunter2","n":1}'], 0],
  'secret-parameter': [['GET', '/open/reset/s3cr3t'], 0],
  'forged-identity': [['GET', '/open/1', '-H', 'X-User-Id: root', '-H', 'X-Forwarded-For: 1.2.3.4'], 0],
  'handshake-missing': [['GET', '/open/feed'], 1],
  handshake: [
    [
      'GET',
      '/open/feed',
      '-H',
      'Connection: Upgrade',
      '-H',
      'Upgrade: websocket',
      '-H',
      'Sec-WebSocket-Version: 13',
      '-H',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='
    ],
    0
  ],
  transformed: [['POST', '/private', '--as', '{"sub":"ada","tier":"gold"}', '-d', '{"id":"a/b"}'], 0],
  composed: [['GET', '/private/page', '--as', 'ada'], 0],
  handler: [['GET', '/private/own', '--as', '{"sub":"ada","roles":["admin"]}'], 0],
  'bad-host': [['GET', '/open/1', '-H', 'Host: a b'], 1],
  'bad-method': [['BREW', '/open/1'], 1],
  'bad-framing': [['GET', '/open/1', '-d', 'x'], 1],
  'bad-escape': [['GET', '/open/%zz'], 1],
  'dot-segment': [['GET', '/open/%2e%2e'], 1],
  'options-asterisk': [['OPTIONS', '*'], 0],
  'no-scope': [['GET', '/nothing/here'], 1],
  'no-route': [['GET', '/privat/page'], 1],
  'method-not-allowed': [['DELETE', '/open/1'], 1],
  'ip-filter': [['GET', '/open/1', '--from', '192.0.2.9'], 1],
  'ip-filter-ipv6': [['GET', '/open/1', '--from', '2001:db8::1'], 0],
  preflight: [
    ['OPTIONS', '/open/1', '-H', 'Origin: https://app.example', '-H', 'Access-Control-Request-Method: GET'],
    0
  ],
  'invalid-preflight': [['OPTIONS', '/open/1'], 1],
  'foreign-origin': [['GET', '/open/1', '-H', 'Origin: https://evil.example'], 0],
  'version-unknown': [['GET', '/v9/old/1'], 1],
  'version-conflict': [['GET', '/v2/old/1', '-H', 'Accept-Version: v3'], 1],
  'version-default': [['GET', '/old/1'], 0],
  'version-chosen': [['GET', '/old/1', '-H', 'Accept-Version: 2'], 0],
  'version-gone': [['GET', '/v1/old/1'], 1],
  'token-missing': [['GET', '/private/page'], 1],
  'token-malformed': [['GET', '/private/page', '-H', 'Authorization: Bearer malformed'], 1],
  'token-audience': [['GET', '/private/page', '--as', '{"sub":"ada","aud":"another"}'], 1],
  'token-expired': [['GET', '/private/page', '--as', '{"sub":"ada","exp":1}'], 1],
  'query-invalid': [['GET', '/open/1?limit=x'], 1],
  'body-invalid': [['POST', '/private', '--as', 'ada', '-d', '{"x":1}'], 1],
  'body-invalid-json': [['POST', '/private', '--as', 'ada', '-d', '{'], 1],
  'body-type': [['POST', '/private', '--as', 'ada', '-d', '<x/>', '-H', 'Content-Type: text/xml'], 1],
  'body-large': [['POST', '/private', '--as', 'ada', '-d', JSON.stringify({ id: 'x'.repeat(100) })], 1],
  forbidden: [['GET', '/private/own', '--as', 'ada'], 1],
  'absolute-url': [['GET', 'http://api.example/open/1'], 0],
  'consumer-limit-anonymous': [['GET', '/twice/1'], 0]
}

for (const [name, [args, expected]] of Object.entries(cases))
  t.test(`${name}: ${args.slice(0, 2).join(' ')}`, async t => {
    const { code, out, err } = await explain(...args)
    golden(t, `explain/${name}.txt`, out)
    t.equal(err, '')
    t.equal(code, expected)
    t.notMatch(out, /s3cr3t|hunter2|token=abc|eDp5|eyJ/, 'no secret is shown')
  })

t.test('--json prints the same explanation', async t => {
  const { out } = await explain('POST', '/private', '--as', 'ada', '-d', '{"id":"1"}', '--json')
  golden(t, 'explain/transformed.json', out)
  t.equal(JSON.parse(out).calls[0].urls[0], 'http://others.invalid:80/things/1')
})

t.test('tokens are checked except for their signature', async t => {
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url')
  const claims = encode({ iss: 'https://id.invalid', aud: 'api', sub: 'ada', exp: 32_503_680_000 })
  const outcome = async (header: object) => {
    const token = `${encode(header)}.${claims}.c2lnbmF0dXJl`
    const { out } = await explain('GET', '/private/own', '--json', '-H', `Authorization: Bearer ${token}`)
    return JSON.parse(out).steps.find(({ step }: { step: string }) => step === 'authentication').outcome
  }
  for (const alg of ['RS256', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'])
    t.equal(await outcome({ alg, kid: 'any' }), 'passed', alg)
  for (const header of [
    { alg: 'none' },
    { alg: 'HS256' },
    { alg: 'RS256', crit: ['x'] },
    { alg: 'RS256', typ: 'id' }
  ])
    t.equal(await outcome(header), 'stopped', JSON.stringify(header))
})

t.test('tokens that no issuer could sign are not signed again', async t => {
  const keys = createSubstituteKeys()
  for (const token of ['', 'a', 'a.b', 'a.b.c', '..', '\u0000.\u0001.\u0002'])
    t.equal(keys.resign(token), token)
})

t.test('an invalid request is wrong usage, reported in one line', async t => {
  for (const args of [
    ['GET'],
    [],
    ['GET', '/a', '/b'],
    ['G E T', '/'],
    ['GET', '/a b'],
    ['GET', '/a\r\nX-User-Id: root'],
    ['GET', ''],
    ['GET', '/\u00e9'],
    ['GET', '/', '-H', 'no colon'],
    ['GET', '/', '-H', ': x'],
    ['GET', '/', '-H', 'X: a\r\nX-User-Id: root'],
    ['GET', '/', '-H', 'X\u0000: a'],
    ['GET', '/', '-H', 'X: \u2028'],
    ['GET', '/', '--from', 'here'],
    ['GET', '/', '--as', '{'],
    ['GET', '/', '--as', 'ada', '-H', 'Authorization: Bearer x'],
    ['GET', '/', '--nope']
  ]) {
    const { code, out, err } = await sluice(['explain', '-c', CONFIG, ...args])
    t.equal(code, 2, encodeURI(args.join(' ')))
    t.equal(out, '')
    t.match(err, /^sluice: [^\n]+\n$/)
    t.notMatch(err, /[\x00-\x09\x0b-\x1f\u2028]/)
  }
})
