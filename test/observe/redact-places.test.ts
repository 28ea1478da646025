import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import t, { type Test } from 'tap'
import { createLogger } from '../../observe/logger.ts'
import { createRedactor } from '../../observe/redact/redactor.ts'
import { startGateway } from '../../testing.ts'
import { call } from '../harness.ts'
import { until } from '../issuer.ts'
import { follow } from './recorder/follow.ts'
import { startWatched } from './recorder/gateway.ts'

/** Every place where people read exchanges: the list, one exchange, HAR, captures, the live stream and the log. */

const SECRET = 'S3CR3T-v4lue'
const uri = encodeURIComponent

const BODIES: [what: string, type: string, body: string | Buffer][] = [
  ['JSON', 'application/json', `{"a":{"user_pwd":"${SECRET}"}}`],
  ['JSON of a type that ends so', 'application/vnd.api+json', `{"code_verifier":"${SECRET}"}`],
  ['JSON in JSON', 'application/json', JSON.stringify({ a: JSON.stringify({ jwt: SECRET }) })],
  ['JSON in JSON in JSON', 'application/json', nest({ otp: SECRET }, 3)],
  ['JSON in JSON, cut', 'application/json', JSON.stringify({ a: `{"passcode":"${SECRET}` })],
  ['a form in JSON', 'application/json', JSON.stringify({ a: `user=1&db_pass=${SECRET}` })],
  ['a query in JSON', 'application/json', JSON.stringify({ q: `mutation { login(password: "${SECRET}") }` })],
  ['a URL with userinfo in JSON', 'application/json', `{"to":"amqp:\\/\\/app:${SECRET}@mq:5672"}`],
  ['a URL with a code in JSON', 'application/json', `{"to":"https://app.example/cb?x=1&code=${SECRET}"}`],
  ['what is not JSON', 'application/json', `password=${SECRET}`],
  ['quotes that are not JSON’s', 'application/json', `{'password':'${SECRET} ${SECRET}'}`],
  ['JSON as text', 'text/plain', `{"cvv":"${SECRET}"}`],
  ['JSON as text, quoted', 'text/plain', JSON.stringify(JSON.stringify({ sid: SECRET }))],
  ['JSON of no type', '', `[{"ticket":"${SECRET}"}]`],
  ['a form', 'application/x-www-form-urlencoded', `a=1&client_assertion=${SECRET}`],
  ['a form, encoded twice', 'application/x-www-form-urlencoded', `p%2561ssword=${SECRET}`],
  ['a form with semicolons', 'application/x-www-form-urlencoded', `a=1;password=${SECRET}`],
  ['a form of no type', '', `a=1&password=${SECRET}`],
  ['JSON in a form', 'application/x-www-form-urlencoded', `payload=${uri(`{"token":"${SECRET}"}`)}`],
  [
    'JSON in a form, encoded twice',
    'application/x-www-form-urlencoded',
    `p=${uri(uri(`{"token":"${SECRET}"}`))}`
  ],
  ['a URL in a form', 'application/x-www-form-urlencoded', `to=${uri(`https://u:${SECRET}@h/`)}`],
  ['NDJSON', 'application/x-ndjson', `{"n":1}\n{"token":"${SECRET}"}\n`],
  ['JSON sequences', 'application/json-seq', `\x1e{"n":1}\n\x1e{"token":"${SECRET}"}\n`],
  ['events', 'text/event-stream', `event: a\ndata: {"n":1}\n\ndata: {"token":\r\ndata: "${SECRET}"}\n\n`],
  ['events of forms, and comments', 'text/event-stream', `data: token=${SECRET}\n\n: jwt=${SECRET}\n\n`],
  ['JSON that says that it is events', 'text/event-stream', `{"n":1}\n{"token":"${SECRET}"}\n`],
  [
    'JSON in lines with the type of events',
    'text/event-stream',
    `data: 1\n\n{\n  "token":\n  "${SECRET}"\n}\n`
  ],
  ['a form with the type of events', 'text/event-stream', `a=1&password=${SECRET}`],
  [
    'parts as text',
    'text/plain',
    `--x\r\nContent-Disposition: form-data; name="pwd"\r\n\r\n${SECRET}\r\n--x--`
  ],
  ['parts of no type', '', `--x\r\ncontent-disposition:form-data;name=pwd\r\n\r\n${SECRET}\r\n--x--`],
  ['XML', 'application/xml', `<a><ns:password type="x">${SECRET}</ns:password></a>`],
  ['XML attributes', 'text/xml', `<a client-secret="${SECRET}"/>`],
  ['HTML', 'text/html', `<a href="/reset?token=${SECRET}">reset</a>`],
  ['YAML', 'application/yaml', `a: 1\npassword: ${SECRET}\n`],
  ['YAML, in the next line', 'application/yaml', `a: 1\npwd:\n  - ${SECRET}\n`],
  ['a field of a form in HTML', 'text/html', `<input type="hidden" name="_csrf" value="${SECRET}">`],
  ['a field, its value first', 'text/html', `<INPUT value='${SECRET}' type=password>`],
  ['metadata of a page', 'text/html', `<meta name="csrf-token" content="${SECRET}">`],
  ['properties in XML', 'text/xml', `<entry key="db.pass">${SECRET}</entry>`],
  ['markup as text', 'text/xml', `<a>&lt;password&#62;${SECRET}&lt;/password&gt;</a>`],
  ['markup in JSON', 'application/json', `{"soap":"&lt;pwd&gt;${SECRET}&lt;/pwd&gt;"}`],
  ['a table', 'text/csv', `name,"password"\r\nada,${SECRET}\r\n`],
  ['a table with tabs', 'text/tab-separated-values', `name\tjwt\nada\t${SECRET}\n`],
  [
    'a private key',
    'text/plain',
    `-----BEGIN RSA PRIVATE KEY-----\n${SECRET}\n-----END RSA PRIVATE KEY-----`
  ],
  ['a private key, cut, in JSON', 'application/json', `{"pem":"-----BEGIN PRIVATE KEY-----\\n${SECRET}"}`],
  ['credentials in JSON', 'application/json', `{"headers":[["x","Bearer ${SECRET}"]]}`],
  ['credentials in a form', 'application/x-www-form-urlencoded', `a=bearer+${SECRET}`],
  ['a name in full width', 'application/json', `{"ｐａｓｓｗｏｒｄ":"${SECRET}"}`],
  ['a script', 'text/javascript', `callback({"password":"${SECRET}"})`],
  ['prose', 'text/plain', `Your new password: ${SECRET}`],
  ['a token by its looks', 'text/plain', `see eyJhbGciOiJIUzI1NiJ9.${SECRET}.c2ln`],
  ['UTF-16', 'application/json; charset=utf-16le', utf16(`{"password":"${SECRET}"}`)],
  ['UTF-16 by its mark', 'application/json', utf16(`\ufeff{"password":"${SECRET}"}`)],
  ['UTF-16, big end first', 'text/plain', utf16(`\ufeff{"password":"${SECRET}"}`).swap16()],
  [
    'UTF-16, big end first, without a mark',
    'text/plain; charset=utf-16',
    utf16(`{"password":"${SECRET}"}`).swap16()
  ],
  [
    'UTF-16 of the other order',
    'application/json; charset=utf-16le',
    utf16(`{"password":"${SECRET}"}`).swap16()
  ],
  ['UTF-8 that says UTF-16', 'application/json; charset=utf-16le', `{"password":"${SECRET}"}`],
  ['UTF-16 that says nothing', 'application/json', utf16(`{"password":"${SECRET}"}`)],
  ['an unknown charset', 'application/json; charset=utf-7', `{"password":"${SECRET}"}`],
  [
    'bytes that are not UTF-8',
    'application/json',
    Buffer.from(`{"\xe9":1,"password":"${SECRET}"}`, 'latin1')
  ],
  [
    'a packed archive',
    'application/zip',
    Buffer.concat([Buffer.from([0x50, 0x4b, 3, 0xff]), Buffer.from(SECRET)])
  ],
  [
    'protocol buffers',
    'application/grpc+proto',
    Buffer.concat([Buffer.from([0, 0xff, 10]), Buffer.from(SECRET)])
  ],
  [
    'parts',
    'multipart/form-data; boundary=x',
    `--x\r\ncontent-disposition: form-data; name="password"\r\n\r\n${SECRET}`
  ]
]

const HEADERS: Record<string, string> = {
  'x-auth': SECRET,
  'x-subscription-key': SECRET,
  'x-forwarded-access': `Bearer ${SECRET}`,
  'x-database': `postgres://app:${SECRET}@db/shop`,
  'x-next': `<https://h/a?page=2&sid=${SECRET}>; rel="next"`,
  'x-data': `{"token":"${SECRET}"}`,
  'x-pairs': `user=1; passcode=${SECRET}`,
  'www-authenticate': `Bearer realm="https://app:${SECRET}@h/", error="invalid_token"`,
  'x-list': `a, Bearer ${SECRET}`,
  referer: `https://h/cart;jsessionid=${SECRET}?x=1#id_token=${SECRET}`,
  cookie: `a=${SECRET}`
}

const PATHS = [
  `/things/a?x=1&pwd=${SECRET}`,
  `/things/a?user[otp]=${SECRET}`,
  `/things/a?p%61ss=${SECRET}`,
  `/things/a?next=${uri(`/cb?code=${SECRET}`)}`,
  `/things/a?next=${uri(`https://h/#/cb?x=1&access_token=${SECRET}`)}`,
  `/things/a?data=${uri(`{"token":"${SECRET}"}`)}`,
  `/things/a?h=Bearer+${SECRET}`,
  `/things/a?h=${uri(`Authorization Bearer ${SECRET}`)}`,
  `/things/a?db=${uri(`redis://:${SECRET}@h`)}`,
  `/things/a?q=eyJhbGciOiJIUzI1NiJ9.${SECRET}.c2ln`,
  `/things/a;sid=${SECRET}`,
  `/things/reset/${SECRET}`
]

t.test('no body shows a secret in any place', async t => {
  const { url, read } = await start(t)
  for (const [what, type, body] of BODIES) {
    const headers: Record<string, string> = type === '' ? {} : { 'content-type': type }
    const post = async (more: object, bytes: string | Buffer) => {
      const response = await fetch(`${url}/things/bodies`, {
        method: 'POST',
        headers: { ...headers, ...more },
        body: Buffer.from(bytes as string)
      })
      await response.arrayBuffer()
      return response.status
    }
    t.equal(await post({}, body), 200, what)
    await post({ 'content-encoding': 'gzip' }, gzipSync(body))
  }
  for (const [place, text] of await read(BODIES.length * 2)) t.strictSame(leaksOf(text), [], place)
})

t.test('no header and no URL shows a secret in any place', async t => {
  const { url, read } = await start(t)
  for (const [name, value] of Object.entries(HEADERS))
    await call(`${url}/things/headers`, { headers: { [name]: value } })
  for (const path of PATHS) await call(url + path)
  const count = Object.keys(HEADERS).length + PATHS.length
  for (const [place, text] of await read(count)) t.strictSame(leaksOf(text), [], place)
})

t.test('request.log shows no path parameter with a secret name', async t => {
  const file = `${t.testdir({ log: '' })}/log`
  const logger = createLogger({ level: 'info', destination: file })
  const { url } = await startGateway(
    t,
    {
      scopes: {
        reset: {
          prefix: '/reset',
          routes: async app => {
            app.get('/:token/:step', async ({ log, url }) => log.info({ url }, 'asked'))
          }
        }
      }
    },
    { logger }
  )
  await call(`${url}/reset/${SECRET}/2?page=1`)
  const log = await until(
    async () => readFileSync(file, 'utf8'),
    text => text.includes('asked')
  )
  t.strictSame(leaksOf(log), [])
  t.match(log, '"url":"/reset/[redacted]/2?page=1"')
})

t.test('text without secrets is unchanged', t => {
  const redactor = createRedactor({ names: [], paths: [] })
  for (const [type, text] of [
    [
      'application/json',
      '{"author":"Ada","monkey":1,"compass":"N","note":"Author: Ada, https://h/a?page=1#top"}'
    ],
    [
      'application/json',
      '{"at":"2026-01-01T10:00:00Z","error":"error code: 42","n":1.50,"css":"a { b: c }"}'
    ],
    [
      'application/json',
      '{"keys":[{"kty":"EC","kid":"a"}],"tickets":[1],"zip_code":"1","a":"{\\"b\\":[1]}"}'
    ],
    ['text/plain', 'Error code: 42\nAuthor: Ada\nkeyboard=1'],
    ['text/html', '<!doctype html><html lang="en"><body class="x"><p>Hello: world</p><code>x</code></html>'],
    [
      'text/html',
      '<form><label for="password">Password</label><input name="password" value=""><input name="q" value="x"></form>'
    ],
    ['text/html', '<p>Bearer authentication, Basic plan, a &amp; b &lt;b&gt;</p>'],
    ['text/csv', 'id,name\n1,Ada\n'],
    ['application/yaml', 'author:\n  - Ada\n'],
    ['text/plain', 'The bearer of this letter. Basic: 7'],
    ['application/xml', '<?xml version="1.0"?><authors><author id="1">Ada</author><token/></authors>'],
    ['application/x-www-form-urlencoded', 'author=Ada+L&page=1;2&q=a%3Db&x=%7B%22a%22%3A1%7D'],
    ['text/event-stream', 'event: tick\ndata: {"n":1}\n\n: ping\n\ndata: a\ndata: b\n\n'],
    ['text/event-stream', '\ufeffid: 7\ndata: a\n\nretry: 10\nid\n\nda'],
    ['application/x-ndjson', '{"a":1}\n{"b":2}\n']
  ] as const)
    t.equal(redactor.body(text, type), text)
  for (const [name, value] of [
    ['user-agent', 'Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101'],
    ['accept', 'text/html,application/xml;q=0.9,*/*;q=0.8'],
    ['content-security-policy', "default-src 'self'; img-src https: data:"],
    ['ratelimit-policy', '"free";q=1;w=60'],
    ['forwarded', 'for=192.0.2.1;host="a:80";proto=http'],
    ['vary', 'Authorization, Cookie'],
    ['content-disposition', 'attachment; filename="key.txt"'],
    ['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'],
    ['www-authenticate', 'Bearer error="invalid_token"'],
    ['access-control-allow-headers', 'authorization'],
    ['location', 'https://h/a?page=1#top']
  ] as const)
    t.equal(redactor.header(name, value), value)
  t.equal(redactor.url('/a;v=1/b//c@d?page=1&q=a%20b#top'), '/a;v=1/b//c@d?page=1&q=a%20b#top')
  t.end()
})

t.test('Basic credentials are recognized by the colon that they encode', t => {
  const { header, body } = createRedactor({ names: [], paths: [] })
  t.equal(header('x-to', 'h, Basic YWRhOnNlY3JldA=='), 'h, Basic [redacted]')
  t.equal(body('{"a":"basic YWRhOnNlY3JldA=="}', 'application/json'), '{"a":"basic [redacted]"}')
  t.equal(body('{"a":"basic training"}', 'application/json'), '{"a":"basic training"}')
  t.end()
})

t.test('a hostile body costs time in proportion to its length', t => {
  const { body } = createRedactor({ names: [], paths: [] })
  const units: [string, string, string?][] = [
    ['application/json', '['],
    ['application/json', '{"a":'],
    ['application/json', '"\\'],
    ['application/json', '"x: y=z{",'],
    ['text/plain', '#/'],
    ['text/plain', '#/', '/'],
    ['text/plain', '%25'],
    ['text/plain', 'a:'],
    ['text/plain', 'eyJ'],
    ['text/plain', '//'],
    ['text/plain', '<token '],
    ['text/plain', '{"', '"a='],
    ['application/x-www-form-urlencoded', '&'],
    ['application/x-www-form-urlencoded', 'b-b=;', 'a='],
    ['text/event-stream', 'data:{\n'],
    ['text/html', '<a name=b '],
    ['text/html', 'id = ', '<a '],
    ['text/plain', 'Bearer a'],
    ['text/plain', 'basic '],
    ['text/plain', '-----BEGIN PRIVATE KEY-----'],
    ['text/plain', '&amp;'],
    ['application/yaml', 'a:\n  ']
  ]
  for (const [type, unit, start = ''] of units) {
    const cost = (length: number) => {
      const before = process.cpuUsage()
      body(start + unit.repeat(length / unit.length), type)
      return process.cpuUsage(before).user
    }
    cost(20_000)
    // Quadratic time would be minutes.
    t.ok(cost(1_000_000) < 10_000_000, `${type} ${start}${unit}`)
  }
  t.end()
})

/** The text around each secret, in base64 too. */
function leaksOf(text: string): string[] {
  const decoded = text.replace(/"(?:base64|text)":"([\w+/=]+)"/g, (_, base64) =>
    Buffer.from(base64, 'base64').toString('latin1').replaceAll('\0', '')
  )
  return [text, decoded].flatMap(one => one.match(/.{0,80}S3CR3T.{0,20}/g) ?? [])
}

function nest(value: object, times: number): string {
  let text = JSON.stringify(value)
  for (let i = 0; i < times; i++) text = JSON.stringify({ inner: text })
  return text
}

function utf16(text: string): Buffer {
  return Buffer.from(text, 'utf16le')
}

async function start(t: Test) {
  const file = `${t.testdir({ log: '' })}/log`
  const logger = createLogger({ level: 'info', destination: file })
  const { url, admin, gateway } = await startWatched(
    t,
    (request, response) => {
      const { headers } = request
      const { 'content-type': type, 'content-encoding': coding } = headers
      if (request.url === '/things/headers')
        for (const name of Object.keys(HEADERS))
          if (headers[name]) response.setHeader(name, headers[name] as string)
      if (type) response.setHeader('content-type', type)
      if (coding) response.setHeader('content-encoding', coding)
      request.pipe(response)
    },
    { recorder: { failed: 1 } }
  )
  // Logs a request as a plugin does. Without the route, path parameters cannot be recognized.
  gateway.onExchangeEnd(({ route, reply: { request } }) => {
    const url = route?.includes(':') ? '' : request.url
    logger?.info({ url, headers: request.headers }, 'request')
  })
  const live = await follow(`${admin}/exchanges/live`)
  t.teardown(() => live.leave())
  const json = { 'content-type': 'application/json' }
  const body = JSON.stringify({ route: '/things/*', count: 1_000 })
  const { id } = (await call(`${admin}/captures`, { method: 'POST', headers: json, body })).json
  return {
    url,
    /** Returns what each place shows of that many exchanges. */
    async read(count: number): Promise<[string, string][]> {
      const lines: string[] = []
      while (lines.length < count) lines.push(await live.next())
      const list = (await call(`${admin}/exchanges?limit=1000`)).json
      t.equal(list.length, count)
      const details: string[] = []
      for (const { id } of list) details.push((await call(`${admin}/exchanges/${id}`)).text)
      const log = await until(
        async () => readFileSync(file, 'utf8'),
        text => text.split('\n').length > count
      )
      return [
        ['list', JSON.stringify(list)],
        ['detail', details.join('\n')],
        ['HAR', (await call(`${admin}/exchanges.har?limit=1000`)).text],
        ['capture', (await call(`${admin}/captures/${id}`)).text],
        ['live', lines.join('\n')],
        ['log', log]
      ]
    }
  }
}
