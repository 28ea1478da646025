import t, { type Test } from 'tap'
import { startEcho } from './echo.ts'
import { field } from './http-message.ts'
import { Client, startRecorder } from './raw-sockets.ts'

/**
 * Rejected requests, byte by byte. A valid request follows each and must not run, since the end of the invalid one is
 * unknown. The service gets nothing.
 */
type Case = [what: string, bytes: string, status: number, rfc?: string]

const HOST = 'Host: g.example\r\n'
const SMUGGLED = `GET /echo/smuggled HTTP/1.1\r\n${HOST}\r\n`

const post = (fields: string, body = '') => `POST /echo/x HTTP/1.1\r\n${HOST}${fields}\r\n${body}`
const chunked = (body: string) => post('Transfer-Encoding: chunked\r\n', body)
const get = (line: string, fields = HOST) => `${line}\r\n${fields}\r\n`
const table = (values: string[], one: (value: string) => Case): Case[] => values.map(one)

const FRAMING: Case[] = [
  [
    'length and coding',
    post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
    400,
    '9112 6.3'
  ],
  [
    'coding and length',
    post('Transfer-Encoding: chunked\r\nContent-Length: 5\r\n', '0\r\n\r\n'),
    400,
    '9112 6.3'
  ],
  ['two lengths', post('Content-Length: 1\r\nContent-Length: 2\r\n', 'ab'), 400, '9112 6.3'],
  ['two equal lengths', post('Content-Length: 1\r\nContent-Length: 1\r\n', 'a'), 400, '9112 6.3'],
  ...table(
    ['+1', '-1', '0x10', '1,1', '1, 1', '1 1', '1.0', '1e0', '', '99999999999999999999', '\xb2'],
    value => [`length ${JSON.stringify(value)}`, post(`Content-Length: ${value}\r\n`, 'a'), 400, '9112 6.2']
  ),
  ['a length above 2^53', post('Content-Length: 9007199254740993\r\n', 'a'), 413, '9110 15.5.14'],
  ...table(
    ['xchunked', 'gzip, chunked', 'x, chunked', ',chunked', 'identity', 'chunked;q=1', '"chunked"', 'gzip'],
    value => [
      `coding ${value}`,
      post(`Transfer-Encoding: ${value}\r\n`, '1\r\na\r\n0\r\n\r\n'),
      501,
      '9112 6.1'
    ]
  ),
  ...table(['chunked, chunked', 'chunked, identity', 'chunked ,', '', 'chunked\x0b'], value => [
    `coding ${JSON.stringify(value)}`,
    post(`Transfer-Encoding: ${value}\r\n`, '1\r\na\r\n0\r\n\r\n'),
    400,
    '9112 6.1'
  ]),
  [
    'two codings',
    post('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
    400,
    '9112 6.1'
  ],
  [
    'identity, then chunked',
    post('Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n'),
    501,
    '9112 6.1'
  ],
  ['a coding in HTTP/1.0', chunked('0\r\n\r\n').replace('1.1', '1.0'), 400, '9112 6.1'],
  ['a coding on a GET', get('GET /echo/x HTTP/1.1', `${HOST}Transfer-Encoding: gzip\r\n`), 501, '9112 6.1'],
  ['a GET with a body', `${get('GET /echo/x HTTP/1.1', `${HOST}Content-Length: 1\r\n`)}a`, 400, '9110 9.3.1'],
  [
    'a GET with a chunked body',
    `${get('GET /echo/x HTTP/1.1', `${HOST}Transfer-Encoding: chunked\r\n`)}1\r\na\r\n0\r\n\r\n`,
    400,
    '9110 9.3.1'
  ],
  [
    'a HEAD with a body',
    `${get('HEAD /echo/x HTTP/1.1', `${HOST}Content-Length: 1\r\n`)}a`,
    400,
    '9110 9.3.2'
  ],
  [
    'a TRACE with a body',
    `${get('TRACE /echo/x HTTP/1.1', `${HOST}Content-Length: 1\r\n`)}a`,
    400,
    '9110 9.3.8'
  ]
]

const CHUNKS: Case[] = [
  ['an extension too long', chunked(`1;${'a'.repeat(20_000)}\r\nx\r\n0\r\n\r\n`), 413, '9112 7.1.1'],
  ['an extension with NUL', chunked('1;\0\r\nx\r\n0\r\n\r\n'), 400, '9112 7.1.1'],
  ['an extension ended by LF', chunked('1;a\nx\r\n0\r\n\r\n'), 400, '9112 7.1.1'],
  ['a size out of range', chunked('fffffffffffffffff\r\nx'), 400, '9112 7.1'],
  ...table(['-1', '+1', '0x1', ' 1', '1 ', '', 'g', '1_0'], value => [
    `size ${JSON.stringify(value)}`,
    chunked(`${value}\r\nx\r\n0\r\n\r\n`),
    400,
    '9112 7.1'
  ]),
  ['a size ended by LF', chunked('1\nx\r\n0\r\n\r\n'), 400, '9112 7.1'],
  ['a size ended by CR', chunked('1\rx\r\n0\r\n\r\n'), 400, '9112 7.1']
]

/** The headers have been forwarded by then, so the service gets an incomplete request. */
const LATE_CHUNKS: Case[] = [
  ['a chunk longer than announced', chunked('1\r\nxy\r\n0\r\n\r\n'), 400, '9112 7.1'],
  ['a chunk ended by LF', chunked('1\r\nx\n0\r\n\r\n'), 400, '9112 7.1'],
  ['a last chunk ended by LF', chunked('1\r\nx\r\n0\n\r\n'), 400, '9112 7.1'],
  ['a body ended by LF', chunked('1\r\nx\r\n0\r\n\n'), 400, '9112 7.1'],
  ['an invalid trailer', chunked('1\r\nx\r\n0\r\nbad\r\n\r\n'), 400, '9112 7.1.2'],
  ['a second chunk with a bad size', chunked('1\r\nx\r\nzz\r\n'), 400, '9112 7.1']
]

const LINES: Case[] = [
  ['LF after the request line', `GET /echo/x HTTP/1.1\n${HOST}\r\n`, 400, '9112 2.2'],
  ['CR after the request line', `GET /echo/x HTTP/1.1\r${HOST}\r\n`, 400, '9112 2.2'],
  ['LF after a field', 'GET /echo/x HTTP/1.1\r\nHost: g\nX: y\r\n\r\n', 400, '9112 2.2'],
  ['CR in a field', 'GET /echo/x HTTP/1.1\r\nHost: g\r\nX: a\rb\r\n\r\n', 400, '9112 2.2'],
  ['LF for the empty line', 'GET /echo/x HTTP/1.1\r\nHost: g\r\n\n', 400, '9112 2.2'],
  ['LF everywhere', 'GET /echo/x HTTP/1.1\nHost: g\n\n', 400, '9112 2.2'],
  ['a folded field', get('GET /echo/x HTTP/1.1', `${HOST}X: a\r\n b\r\n`), 400, '9112 5.2'],
  ['a field folded by tab', get('GET /echo/x HTTP/1.1', `${HOST}X: a\r\n\tb\r\n`), 400, '9112 5.2'],
  ['space before the first field', get('GET /echo/x HTTP/1.1', ` ${HOST}`), 400, '9112 2.2'],
  ['space before a colon', get('GET /echo/x HTTP/1.1', `${HOST}X : a\r\n`), 400, '9112 5.1'],
  [
    'space before the colon of a coding',
    post('Transfer-Encoding : chunked\r\n', '0\r\n\r\n'),
    400,
    '9112 5.1'
  ],
  ['a field without a name', get('GET /echo/x HTTP/1.1', `${HOST}: a\r\n`), 400, '9110 5.1'],
  ['a field without a colon', get('GET /echo/x HTTP/1.1', `${HOST}Xa\r\n`), 400, '9112 5'],
  ...table(['\0', '\x01', '\x0b', '\x0c', '\x1f', '\x7f'], byte => [
    `${JSON.stringify(byte)} in a value`,
    get('GET /echo/x HTTP/1.1', `${HOST}X: a${byte}b\r\n`),
    400,
    '9110 5.5'
  ]),
  ...table(['\0', '\xe9', ' ', '(', '@', '"'], byte => [
    `${JSON.stringify(byte)} in a name`,
    get('GET /echo/x HTTP/1.1', `${HOST}X${byte}a: b\r\n`),
    400,
    '9110 5.1'
  ])
]

const TARGETS: Case[] = [
  ...table(['\0', '\x01', '\t', '\x0b', '\x7f', '\x80', '\xff', '\xc3\xa9', ' ', '\\', '#'], bytes => [
    `${JSON.stringify(bytes)} in the path`,
    get(`GET /echo/a${bytes}b HTTP/1.1`),
    400,
    '9112 3.2'
  ]),
  ...table(['\0', '\xe9', ' ', '#'], bytes => [
    `${JSON.stringify(bytes)} in the query`,
    get(`GET /echo/a?${bytes}b HTTP/1.1`),
    400,
    '9112 3.2'
  ]),
  ['absolute form of another host', get('GET http://evil.example/echo/x HTTP/1.1'), 400, '9112 3.2.2'],
  ['absolute form with another port', get('GET http://g.example:81/echo/x HTTP/1.1'), 400, '9112 3.2.2'],
  ['absolute form with userinfo', get('GET http://u@g.example/echo/x HTTP/1.1'), 400, '9112 3.2.2'],
  ['absolute form with another scheme', get('GET https://g.example/echo/x HTTP/1.1'), 400, '9110 7.4'],
  ['absolute form of no HTTP', get('GET ftp://g.example/echo/x HTTP/1.1'), 400, '9112 3.2.2'],
  ['absolute form without a host', get('GET http:///echo/x HTTP/1.1'), 400, '9110 4.2.1'],
  [
    'absolute form of another host without a path',
    get('GET http://evil.example HTTP/1.1'),
    400,
    '9112 3.2.2'
  ],
  [
    'absolute form of another host whose query has a path',
    get('GET http://evil.example?x=/echo/x HTTP/1.1'),
    400,
    '9112 3.2.2'
  ],
  ['absolute form with a fragment', get('GET http://g.example#/echo/x HTTP/1.1'), 400, '9112 3.2.2'],
  ['asterisk form of a GET', get('GET * HTTP/1.1'), 400, '9112 3.2.4'],
  ['authority form of a GET', get('GET g.example:80 HTTP/1.1'), 400, '9112 3.2.3'],
  ['a relative path', get('GET echo/x HTTP/1.1'), 400, '9112 3.2'],
  ['CONNECT', get('CONNECT g.example:443 HTTP/1.1'), 501, '9110 9.3.6'],
  ['CONNECT with a path', get('CONNECT /echo/x HTTP/1.1'), 501, '9110 9.3.6'],
  ...table(['%', '%zz', '%ff', '%c3'], bytes => [
    `${bytes} in the path`,
    get(`GET /echo/a${bytes}b HTTP/1.1`),
    400,
    '3986 2.1'
  ])
]

const HOSTS: Case[] = [
  ['no Host', get('GET /echo/x HTTP/1.1', 'X: y\r\n'), 400, '9112 3.2'],
  ['two Hosts', get('GET /echo/x HTTP/1.1', `${HOST}Host: h\r\n`), 400, '9112 3.2'],
  ['two equal Hosts', get('GET /echo/x HTTP/1.1', HOST + HOST), 400, '9112 3.2'],
  ...table(
    [
      '',
      'a b',
      'u@h',
      'h/path',
      'h?x',
      'h#x',
      'h:port',
      '[::1',
      '[::1]x',
      'a,b',
      'http://h',
      'h\\x',
      '"h"',
      '%00',
      'h\xe9',
      '<h>',
      'h:80:80',
      'h:65536',
      'h:99999',
      '[::1]:70000',
      '[1.2.3.4]',
      '[:::]',
      '[::1::2]'
    ],
    value => [
      `Host ${JSON.stringify(value)}`,
      get('GET /echo/x HTTP/1.1', `Host: ${value}\r\n`),
      400,
      '9110 7.2'
    ]
  )
]

const METHODS: Case[] = [
  ['a method in lower case', get('get /echo/x HTTP/1.1'), 501, '9110 9.1'],
  ['an unknown method', get('FOO /echo/x HTTP/1.1'), 501, '9110 9.1'],
  ['a method that is no token', get('G(T /echo/x HTTP/1.1'), 400, '9112 3.1'],
  ['space before the method', get(' GET /echo/x HTTP/1.1'), 400, '9112 3'],
  ['a tab for a space', get('GET\t/echo/x HTTP/1.1'), 400, '9112 3'],
  ['no method', get('/echo/x HTTP/1.1'), 400, '9112 3'],
  ['the start of TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n', 400],
  ['HTTP/0.9', 'GET /echo/x\r\n\r\n', 505, '9110 2.5'],
  ['the start of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 505, '9113 3.4'],
  ...table(['0.9', '1.2', '1.10', '2.0', '3.0'], version => [
    `HTTP/${version}`,
    get(`GET /echo/x HTTP/${version}`),
    505,
    '9110 2.5'
  ]),
  ...table(['http/1.1', 'HTTP/1', 'HTTP/1.x', 'HTTP/1.1 ', 'HTCPCP/1.0'], version => [
    JSON.stringify(version),
    get(`GET /echo/x ${version}`),
    400,
    '9112 2.3'
  ]),
  ['an unknown expectation', post('Expect: 200-ok\r\nContent-Length: 1\r\n', 'a'), 417, '9110 10.1.1'],
  [
    'one of two expectations',
    post('Expect: 100-continue, x\r\nContent-Length: 1\r\n', 'a'),
    417,
    '9110 10.1.1'
  ],
  ['too many fields', get('GET /echo/x HTTP/1.1', HOST + 'a:\r\n'.repeat(128)), 431, '6585 5'],
  ['a field too long', get('GET /echo/x HTTP/1.1', `${HOST}X: ${'a'.repeat(17_000)}\r\n`), 431, '6585 5'],
  ['a target too long', get(`GET /echo/${'a'.repeat(17_000)} HTTP/1.1`), 431, '9110 15.5.15']
]

const tables = { FRAMING, CHUNKS, LINES, TARGETS, HOSTS, METHODS }

for (const [name, cases] of Object.entries(tables)) {
  t.test(
    `${name.toLowerCase()}: rejected, the connection closes, and nothing reaches the service`,
    async t => {
      const service = await startRecorder(t)
      const { url } = await startEcho(t, service.url)
      for (const [what, bytes, status, rfc] of cases) {
        await rejected(t, url, bytes, status, `${what}${rfc === undefined ? '' : ` (RFC ${rfc})`}`)
        t.equal(completeOf(service), '', `${what}: the service gets no request`)
      }
      await rejectedBehindValid(t, url, service, cases)
    }
  )
}

t.test('late chunks: rejected, and the service gets no complete request', async t => {
  const service = await startRecorder(t)
  const { url } = await startEcho(t, service.url, { failures: 1 })
  for (const [what, bytes, status, rfc] of LATE_CHUNKS) {
    await rejected(t, url, bytes, status, `${what} (RFC ${rfc})`)
    t.equal(completeOf(service), '', `${what}: no complete request`)
  }
  const client = new Client(url).write(SMUGGLED, 'GET')
  t.equal((await client.response()).status, 200, 'no failure of the service is counted')
  client.end()
})

t.test('a transformed route rejects the same requests', async t => {
  const service = await startRecorder(t)
  const { url } = await startEcho(t, service.url)
  for (const [what, bytes, status] of [...FRAMING, ...CHUNKS, ...LATE_CHUNKS, ...HOSTS]) {
    const shaped = bytes
      .replace('/echo/x', '/shaped')
      .replace(HOST, `${HOST}Content-Type: application/json\r\n`)
    await rejected(t, url, shaped, status, what)
    t.equal(service.bytes(), '', `${what}: the service gets no request`)
  }
})

async function rejected(t: Test, url: string, bytes: string, status: number, what: string) {
  const client = new Client(url).write(bytes + SMUGGLED, bytes.startsWith('HEAD') ? 'HEAD' : 'GET')
  const answers = await client.responsesToEnd()
  t.same(
    answers.map(answer => answer.status),
    [status],
    what
  )
  const [answer] = answers
  if (answer === undefined || bytes.startsWith('HEAD')) return
  t.equal(field(answer, 'connection')?.toLowerCase(), 'close')
  t.match(field(answer, 'content-type'), /^application\/problem\+json/)
  t.match(JSON.parse(answer.body), { type: String, title: String, status })
}

/** Sends each request behind a valid one, which gets its own response first. */
async function rejectedBehindValid(
  t: Test,
  url: string,
  service: Awaited<ReturnType<typeof startRecorder>>,
  cases: Case[]
) {
  for (const [what, bytes, status] of cases) {
    service.received.length = 0
    const first = `GET /echo/first HTTP/1.1\r\n${HOST}\r\n`
    const client = new Client(url).write(
      first + bytes + SMUGGLED,
      'GET',
      bytes.startsWith('HEAD') ? 'HEAD' : 'GET'
    )
    t.same(
      (await client.responsesToEnd()).map(answer => answer.status),
      [200, status],
      `${what}, behind a valid one`
    )
    t.equal(completeOf(service), 'GET /first')
  }
}

function completeOf(service: Awaited<ReturnType<typeof startRecorder>>): string {
  return service.received.map(({ method, target }) => `${method} ${target}`).join()
}
