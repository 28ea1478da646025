import t from 'tap'
import { startTcpService } from '../harness.ts'
import { startEcho } from './echo.ts'
import { field, fieldsOf, type ResponseMessage } from './http-message.ts'
import { Client, type Received, type Recorder, startRecorder, until } from './raw-sockets.ts'

/** Messages that pass, compared byte for byte with what the service received. */

const HOST = 'Host: g.example\r\n'
const OK = 'HTTP/1.1 200 OK\r\n'

/** Runs one exchange on its own connection, and checks that the connection can carry another one. */
async function exchange(
  url: string,
  service: Recorder,
  bytes: string
): Promise<{ received: Received; answer: ResponseMessage }> {
  service.received.length = 0
  const method = bytes.slice(0, bytes.indexOf(' '))
  const client = new Client(url).write(bytes, method)
  const answer = await client.response()
  client.write(`GET /echo/again HTTP/1.1\r\n${HOST}\r\n`, 'GET')
  if ((await client.response()).status !== 200) throw new Error('the connection is not reusable')
  client.end()
  const [received, again] = service.received
  if (service.received.length !== 2 || again?.target !== '/again')
    throw new Error(`the service received ${JSON.stringify(service.received)}`)
  return { received: received as Received, answer }
}

t.test('targets are sent unchanged (RFC 9112, 3.2)', async t => {
  const service = await startRecorder(t)
  const { url } = await startEcho(t, service.url)
  for (const target of [
    '/a%2Fb',
    '/a%2fb',
    '//a',
    '/a//b/',
    '/a;p=1;q',
    '/a?',
    '/a?x?y',
    '/a?x=%zz&%',
    '/a%00b',
    '/a%0d%0ab',
    '/%C3%A9',
    '/%c3%a9?%c3',
    '/a"b',
    "/a'b",
    '/a<b>',
    '/a^`{|}',
    '/a[1]',
    '/a?x=\\y',
    '/a+b%20c',
    '/a:80',
    '/a@b',
    '/*',
    '/...',
    '/.well-known/x',
    '/a.b',
    `/${'a'.repeat(8_000)}`,
    '/a%25',
    '/a%252f',
    '/a?..%2f../x',
    '/~a!$&()*,='
  ]) {
    const { received } = await exchange(url, service, `GET /echo${target} HTTP/1.1\r\n${HOST}\r\n`)
    t.equal(received.target, target)
  }
  const absolute = await exchange(url, service, `GET http://G.example/echo/a%2Fb?c HTTP/1.1\r\n${HOST}\r\n`)
  t.equal(absolute.received.target, '/a%2Fb?c', 'the path of the absolute form (RFC 9112, 3.2.2)')
  const port = await exchange(url, service, `GET http://g.example:80/echo/a HTTP/1.1\r\n${HOST}\r\n`)
  t.equal(port.received.target, '/a', 'with the default port of the scheme (RFC 9110, 4.2.3)')
})

t.test('an absolute target without a path means the root (RFC 9110, 4.2.3)', async t => {
  const service = await startRecorder(t)
  const { url } = await startEcho(t, service.url)
  for (const [line, status] of [
    ['GET http://g.example', 404],
    ['GET HTTP://G.example', 404],
    ['GET http://g.example?x', 404],
    ['GET http://g.example?x=/echo/x', 404],
    ['OPTIONS http://g.example', 204],
    ['OPTIONS http://g.example/', 404]
  ] as const) {
    const client = new Client(url).write(`${line} HTTP/1.1\r\n${HOST}\r\n`, 'GET')
    t.equal((await client.response()).status, status, line)
    client.end()
  }
  t.equal(service.received.length, 0)
})

t.test('bodies are sent completely, and end where they ended (RFC 9112, 6)', async t => {
  const service = await startRecorder(t)
  const { url } = await startEcho(t, service.url)
  const binary = Array.from({ length: 256 }, (_, i) => String.fromCharCode(i)).join('')
  const long = binary.repeat(2_000)
  const chunks = (...all: string[]) =>
    `Transfer-Encoding: chunked\r\n\r\n${all.map(one => `${one.length.toString(16)}\r\n${one}\r\n`).join('')}0\r\n\r\n`
  const bodies: [what: string, bytes: string, body: string, methods?: string[]][] = [
    ['no body', '\r\n', '', ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'GET', 'HEAD']],
    [
      'length 0',
      'Content-Length: 0\r\n\r\n',
      '',
      ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'GET', 'HEAD']
    ],
    ['length 3', 'Content-Length: 3\r\n\r\nabc', 'abc', ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']],
    ['all bytes', `Content-Length: 256\r\n\r\n${binary}`, binary],
    ['512 kB', `Content-Length: ${long.length}\r\n\r\n${long}`, long],
    ['empty chunked', chunks(), ''],
    ['a chunk', chunks('abc'), 'abc', ['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']],
    ['chunks', chunks('a', 'bc', binary), `abc${binary}`],
    ['512 kB of chunks', chunks(...Array(2_000).fill(binary)), long],
    ['a coding in capitals', chunks('abc').replace('chunked', 'CHUNKED'), 'abc'],
    ['chunk extensions', 'Transfer-Encoding: chunked\r\n\r\n1;a=b;c\r\na\r\n0;d\r\n\r\n', 'a'],
    ['sizes with zeros', 'Transfer-Encoding: chunked\r\n\r\n0001\r\na\r\n000\r\n\r\n', 'a'],
    [
      'a request as a body',
      `Content-Length: 28\r\n\r\nGET /x HTTP/1.1\r\nHost: h\r\n\r\n`,
      'GET /x HTTP/1.1\r\nHost: h\r\n\r\n'
    ],
    [
      'trailers, which are dropped',
      'Transfer-Encoding: chunked\r\nTrailer: X\r\n\r\n1\r\na\r\n0\r\nX: y\r\nHost: h\r\n\r\n',
      'a'
    ]
  ]
  for (const [what, bytes, body, methods = ['POST']] of bodies)
    for (const method of methods) {
      const { received } = await exchange(
        url,
        service,
        `${method} /echo/x HTTP/1.1\r\n${HOST}Content-Type: a/b\r\n${bytes}`
      )
      t.equal(received.method, method)
      t.ok(received.body === body, `${method} with ${what}: ${received.body.length} bytes`)
      t.same(received.trailers, [])
      t.notOk(field(received, 'trailer'))
    }
  const { received } = await exchange(
    url,
    service,
    `POST /echo/x HTTP/1.1\r\n${HOST}Content-Length: 0\r\n\r\n`
  )
  t.equal(field(received, 'content-length'), '0', 'RFC 9110, 8.6')
})

t.test('fields are sent unchanged, except for hop-by-hop fields (RFC 9110, 7.6)', async t => {
  const service = await startRecorder(t)
  const { url } = await startEcho(t, service.url)
  const send = async (fields: string) =>
    (await exchange(url, service, `GET /echo/x HTTP/1.1\r\n${HOST}${fields}\r\n`)).received

  const two = await send(
    'Cookie: a=1\r\nCOOKIE: b=2\r\nX-A: 1\r\nx-a: 2\r\nX-Latin: caf\xe9\r\nX-Empty:\r\nX-Tab: a\tb\r\n'
  )
  t.same(fieldsOf(two, 'cookie'), ['a=1; b=2'], 'RFC 6265, 5.4')
  t.same(fieldsOf(two, 'x-a'), ['1, 2'], 'RFC 9110, 5.3')
  t.equal(field(two, 'x-latin'), 'caf\xe9')
  t.equal(field(two, 'x-empty'), '')
  t.equal(field(two, 'x-tab'), 'a\tb')
  const twice = await send('Authorization: a\r\nAuthorization: b\r\nUser-Agent: a\r\nUser-Agent: b\r\n')
  t.same(fieldsOf(twice, 'authorization'), ['a, b'], 'duplicates are joined, so the service can see them')
  t.same(fieldsOf(twice, 'user-agent'), ['a, b'])

  const named = await send(
    'Connection: keep-alive, X-Foo, Authorization, Host, Content-Length, X-Forwarded-For, Via, X-Request-Id\r\n' +
      'X-Foo: 1\r\nAuthorization: secret\r\nX-Forwarded-For: 6.6.6.6\r\nVia: 1.0 before\r\n'
  )
  t.notOk(field(named, 'x-foo'), 'fields named by Connection are removed')
  t.notOk(field(named, 'authorization'), 'including Authorization')
  t.match(field(named, 'host'), /^127\.0\.0\.1:/, "but not the gateway's own")
  t.equal(field(named, 'x-forwarded-for'), '127.0.0.1')
  t.equal(field(named, 'x-forwarded-port'), '80')
  t.equal(field(named, 'via'), '1.0 before, 1.1 sluice')
  t.match(field(named, 'x-request-id'), /./)

  const many = await send(Array.from({ length: 100 }, (_, i) => `X-${i}: ${i}\r\n`).join(''))
  for (let i = 0; i < 100; i++) if (field(many, `x-${i}`) !== String(i)) t.fail(`X-${i}`)
  t.equal(field(await send(`X-Long: ${'a'.repeat(8_192)}\r\n`), 'x-long')?.length, 8_192)

  const { received } = await exchange(
    url,
    service,
    `POST /echo/x HTTP/1.1\r\n${HOST}Connection: content-length, transfer-encoding\r\nContent-Length: 1\r\n\r\na`
  )
  t.equal(received.body, 'a', 'Connection cannot remove the framing')
})

t.test('Max-Forwards is decremented for OPTIONS, and 0 is not forwarded (RFC 9110, 7.6.2)', async t => {
  const service = await startRecorder(t)
  const { url } = await startEcho(t, service.url)
  const ask = (value: string, method = 'OPTIONS') =>
    `${method} /echo/x HTTP/1.1\r\n${HOST}Max-Forwards: ${value}\r\n\r\n`
  t.equal(field((await exchange(url, service, ask('3'))).received, 'max-forwards'), '2')
  t.equal(
    field((await exchange(url, service, ask('3', 'GET'))).received, 'max-forwards'),
    '3',
    'of a GET it is ignored'
  )
  const client = new Client(url).write(
    `${ask('0')}OPTIONS * HTTP/1.1\r\n${HOST}\r\nTRACE /echo/x HTTP/1.1\r\n${HOST}\r\n`,
    'OPTIONS',
    'OPTIONS',
    'TRACE'
  )
  service.received.length = 0
  t.equal((await client.response()).status, 204)
  t.equal((await client.response()).status, 204, 'OPTIONS * is not forwarded (9.3.7)')
  const trace = await client.response()
  t.equal(trace.status, 405, 'TRACE has no route (9.3.8)')
  t.match(field(trace, 'allow'), 'OPTIONS')
  t.equal(service.received.length, 0)
  client.end()
})

t.test('100 Continue is sent when the body is needed (RFC 9110, 10.1.1)', async t => {
  const service = await startRecorder(t)
  const { url } = await startEcho(t, service.url)
  const ask = (path: string, more = '') =>
    `POST ${path} HTTP/1.1\r\n${HOST}Expect: 100-continue\r\nContent-Length: 3\r\n${more}\r\n`
  const client = new Client(url).write(ask('/echo/x'), 'POST')
  t.equal((await client.response()).status, 100)
  client.write('abc')
  t.equal((await client.response()).status, 200)
  t.equal(service.received[0]?.body, 'abc')
  t.notOk(field(service.received[0] as Received, 'expect'))
  client.write(ask('/shaped', 'Content-Type: application/json\r\n'), 'POST')
  t.equal((await client.response()).status, 100, 'on the same connection, for a body that the gateway reads')
  client.end()

  const refused = new Client(url).write(ask('/nowhere'), 'POST')
  const [answer, ...rest] = await refused.responsesToEnd()
  t.equal(answer?.status, 404, 'not for a body that nobody reads')
  t.same(rest, [], 'the connection ends, since the body may or may not follow')

  const old = new Client(url).write(`${ask('/echo/x').replace('1.1', '1.0')}abc`, 'POST')
  t.equal((await old.response()).status, 200, 'not to an HTTP/1.0 client')
  old.end()
})

t.test('responses pass with their bodies, lengths and fields (RFC 9110, 15)', async t => {
  let bytes = ''
  const service = await startRecorder(t, request =>
    request.target === '/again' ? `${OK}Content-Length: 0\r\n\r\n` : bytes
  )
  const { url } = await startEcho(t, service.url)
  const answerTo = async (method: string, text: string) => {
    bytes = text
    return (await exchange(url, service, `${method} /echo/x HTTP/1.1\r\n${HOST}\r\n`)).answer
  }
  const head = await answerTo('HEAD', `${OK}Content-Length: 42\r\n\r\n`)
  t.equal(field(head, 'content-length'), '42', 'HEAD has the length of what GET would bring (9.3.2)')
  t.equal((await answerTo('HEAD', `${OK}Transfer-Encoding: chunked\r\n\r\n`)).status, 200)
  t.equal((await answerTo('GET', 'HTTP/1.1 204 No Content\r\n\r\n')).status, 204)
  const unchanged = await answerTo(
    'GET',
    'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\nContent-Length: 9\r\n\r\n'
  )
  t.same([unchanged.status, field(unchanged, 'etag')], [304, '"a"'])
  t.equal((await answerTo('GET', `${OK}Content-Length: 0\r\n\r\n`)).body, '')
  t.equal((await answerTo('GET', `${OK}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`)).body, '')
  t.equal(
    (await answerTo('GET', `${OK}Transfer-Encoding: chunked\r\n\r\n1;x\r\na\r\n2\r\nbc\r\n0\r\n\r\n`)).body,
    'abc'
  )
  t.equal((await answerTo('GET', `${OK}Connection: close\r\nContent-Length: 1\r\n\r\na`)).body, 'a')
  const fields = await answerTo(
    'GET',
    `${OK}Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nVia: 1.1 cdn\r\nX-A: 1\r\nX-a: 2\r\nConnection: x-private\r\nX-Private: 1\r\nProxy-Authenticate: x\r\nContent-Length: 1\r\n\r\na`
  )
  t.same(fieldsOf(fields, 'set-cookie'), ['a=1', 'b=2'])
  t.same(fieldsOf(fields, 'x-a'), ['1', '2'])
  t.equal(field(fields, 'via'), '1.1 cdn')
  for (const name of ['x-private', 'proxy-authenticate']) t.notOk(field(fields, name), name)
  const head10 = new Client(url).write(`GET /echo/x HTTP/1.0\r\n\r\n`, 'GET')
  bytes = `${OK}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`
  const [old] = await head10.responsesToEnd()
  t.same([old?.framing, old?.body], ['close', 'abc'], 'HTTP/1.0 knows no chunks (RFC 9112, 7.1)')
})

t.test('early hints pass to HTTP/1.1 clients, with their links only (RFC 8297)', async t => {
  const service = await startRecorder(
    t,
    () =>
      `HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nSet-Cookie: a=b\r\n\r\n${OK}Content-Length: 1\r\n\r\na`
  )
  const { url } = await startEcho(t, service.url)
  const client = new Client(url).write(`GET /echo/x HTTP/1.1\r\n${HOST}\r\n`, 'GET')
  const hints = await client.response()
  t.same([hints.status, hints.fields.map(([name]) => name.toLowerCase())], [103, ['link']])
  t.equal((await client.response()).body, 'a')
  client.end()
  const old = new Client(url).write('GET /echo/x HTTP/1.0\r\n\r\n', 'GET')
  t.same(
    (await old.responsesToEnd()).map(answer => answer.status),
    [200]
  )
})

t.test('trailers pass to clients that accept them (RFC 9110, 6.5)', async t => {
  const service = await startRecorder(
    t,
    () =>
      `${OK}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 1\r\nSet-Cookie: a=b\r\nLocation: /x\r\n\r\n`
  )
  const { url } = await startEcho(t, service.url)
  const ask = (fields: string) => exchange(url, service, `GET /echo/x HTTP/1.1\r\n${HOST}${fields}\r\n`)
  // `exchange` does not compare trailers, so the second response may have them too.
  t.same((await ask('TE: trailers\r\nConnection: TE\r\n')).answer.trailers, [['x-sum', '1']])
  t.same((await ask('')).answer.trailers, [])
})

t.test(
  'pipelined requests run one after the other, and get their responses in order (RFC 9112, 9.3)',
  async t => {
    let open = 0
    let most = 0
    const service = await startRecorder(t, (request, socket) => {
      most = Math.max(most, ++open)
      setTimeout(
        () => {
          open--
          socket.write(`${OK}Content-Length: ${request.target.length}\r\n\r\n${request.target}`)
        },
        request.target.endsWith('1') ? 20 : 1
      )
      return undefined
    })
    const { url } = await startEcho(t, service.url)
    const targets = Array.from({ length: 30 }, (_, i) => `/${i}`)
    const client = new Client(url)
    for (const [i, target] of targets.entries())
      client.write(
        i % 3 === 0
          ? `POST /echo${target} HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\nab`
          : `GET /echo${target} HTTP/1.1\r\n${HOST}\r\n`,
        'GET'
      )
    for (const target of targets) t.equal((await client.response()).body, target)
    t.equal(most, 1)
    t.same(
      service.received.map(request => request.target),
      targets
    )
    client.end()
  }
)

t.test('a service may respond before it has read the body', async t => {
  const body = 'x'.repeat(900_000)
  const early = 'HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno'
  const service = await startTcpService(t, socket => {
    if (socket.bytesWritten > 0) return
    socket.pause()
    socket.write(early)
  })
  const { url } = await startEcho(t, service, { deadline: 5_000 })
  for (const head of [
    `Content-Length: ${body.length}\r\n\r\n`,
    `Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n`
  ]) {
    const client = new Client(url).write(`POST /echo/x HTTP/1.1\r\n${HOST}${head}${body}`, 'POST')
    const answer = await client.response()
    t.same([answer.status, answer.body], [403, 'no'])
    await until(() => client.isClosed || undefined, 'the end of a connection whose request was not read')
  }
})
