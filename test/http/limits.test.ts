import t, { type Test } from 'tap'
import { startService, startTcpService } from '../harness.ts'
import { startEcho } from './echo.ts'
import { field, type ResponseMessage } from './http-message.ts'
import { Client, connectionsOf, startRecorder, until } from './raw-sockets.ts'

/** Each limit and an attack on it. All rejections are problems. */
const HOST = 'Host: g.example\r\n'
const GET = `GET /echo/x HTTP/1.1\r\n${HOST}\r\n`

function isProblem(t: Test, answer: ResponseMessage | undefined, status: number, what: string) {
  t.equal(answer?.status, status, what)
  if (answer === undefined) return
  t.match(field(answer, 'content-type'), /^application\/problem\+json/)
  t.match(JSON.parse(answer.body), { type: String, title: String, status })
}

/** Writes bytes one at a time until the connection is closed. */
async function drip(client: Client, bytes: string): Promise<ResponseMessage[]> {
  let at = 0
  const timer = setInterval(() => client.socket.write(bytes[at++ % bytes.length] as string), 20)
  const answers = await client.responsesToEnd()
  clearInterval(timer)
  return answers
}

t.test('slow headers get 408 after headersTimeout', async t => {
  const service = await startRecorder(t)
  const { url } = await startEcho(t, service.url, { http: { headersTimeout: 300 } })
  isProblem(
    t,
    (await drip(new Client(url).write('GET /echo/x HTTP/1.1\r\n'), 'X-A: b\r\n'))[0],
    408,
    'byte by byte'
  )
  isProblem(t, (await new Client(url).responsesToEnd())[0], 408, 'not at all')
  const second = new Client(url).write(GET, 'GET')
  t.equal((await second.response()).status, 200)
  isProblem(t, (await drip(second.write('GET /echo/x?'), 'a'))[1], 408, 'the second on a connection')
  t.equal(service.received.length, 1)
})

t.test('a slow body gets 408 at the deadline, and counts as no failure of the service', async t => {
  const service = await startRecorder(t)
  const { url, gateway } = await startEcho(t, service.url, { deadline: 300, failures: 1 })
  const post = (path: string, fields: string) => `POST ${path} HTTP/1.1\r\n${HOST}${fields}\r\n`
  for (const [what, bytes] of [
    ['forwarded', post('/echo/x', 'Content-Length: 1000\r\n')],
    ['forwarded in chunks', `${post('/echo/x', 'Transfer-Encoding: chunked\r\n')}3e8\r\n`],
    ['read', post('/shaped', 'Content-Type: application/json\r\nContent-Length: 1000\r\n')]
  ] as const)
    isProblem(t, (await drip(new Client(url).write(bytes, 'POST'), 'a'))[0], 408, what)
  t.equal(gateway.upstreams[0]?.state().breaker.state, 'closed')
  t.equal(service.received.length, 0)
  await until(() => service.connections() === 0 || undefined, 'the end of the calls')
})

t.test('a slow body gets 408 after requestTimeout, even with a longer deadline', async t => {
  const service = await startRecorder(t)
  const { url } = await startEcho(t, service.url, {
    http: { requestTimeout: 400, headersTimeout: 400 },
    deadline: 60_000
  })
  const answers = await drip(
    new Client(url).write(`POST /echo/x HTTP/1.1\r\n${HOST}Content-Length: 1000\r\n\r\n`, 'POST'),
    'a'
  )
  isProblem(t, answers[0], 408, 'requestTimeout')
})

t.test('an idle connection is closed after keepAliveTimeout', async t => {
  const service = await startRecorder(t)
  const { url } = await startEcho(t, service.url, { http: { keepAliveTimeout: 100 } })
  const answers = await new Client(url).write(GET, 'GET').responsesToEnd()
  t.same(
    answers.map(answer => answer.status),
    [200],
    'without another word'
  )
})

t.test('headers are limited in number and size', async t => {
  const service = await startRecorder(t)
  const { url } = await startEcho(t, service.url, { http: { maxHeadersCount: 5, maxHeaderSize: 2_048 } })
  const get = (fields: string) => new Client(url).write(`GET /echo/x HTTP/1.1\r\n${HOST}${fields}\r\n`, 'GET')
  const good = get('a: b\r\n'.repeat(4))
  t.equal((await good.response()).status, 200)
  good.end()
  isProblem(t, (await get('a: b\r\n'.repeat(5)).responsesToEnd())[0], 431, 'lines')
  isProblem(t, (await get(`a: ${'b'.repeat(3_000)}\r\n`).responsesToEnd())[0], 431, 'bytes')
  isProblem(t, (await get(`${'a'.repeat(3_000)}: b\r\n`).responsesToEnd())[0], 431, 'bytes of a name')
  t.equal(service.received.length, 1)
})

t.test('bodies are limited to bodyLimit, also when forwarded', async t => {
  const service = await startRecorder(t)
  const { url, gateway } = await startEcho(t, service.url, { bodyLimit: 1_000, failures: 1 })
  const post = (bytes: string, path = '/echo/x') =>
    new Client(url).write(
      `POST ${path} HTTP/1.1\r\n${HOST}Content-Type: application/json\r\n${bytes}`,
      'POST'
    )
  for (const bytes of [
    `Content-Length: 1000\r\n\r\n${'a'.repeat(1_000)}`,
    `Transfer-Encoding: chunked\r\n\r\n3e8\r\n${'a'.repeat(1_000)}\r\n0\r\n\r\n`
  ]) {
    const client = post(bytes)
    t.equal((await client.response()).status, 200)
    client.end()
  }
  service.received.length = 0
  isProblem(t, (await post('Content-Length: 1001\r\n\r\n').responsesToEnd())[0], 413, 'announced')
  isProblem(
    t,
    (await post('Content-Length: 1001\r\n\r\n', '/shaped').responsesToEnd())[0],
    413,
    'announced, read'
  )
  const chunk = `fa0\r\n${'a'.repeat(4_000)}\r\n`
  const endless = post('Transfer-Encoding: chunked\r\n\r\n')
  const timer = setInterval(() => endless.socket.write(chunk.repeat(10)), 10)
  isProblem(t, (await endless.responsesToEnd())[0], 413, 'not announced, and without an end')
  clearInterval(timer)
  isProblem(
    t,
    (await post(`Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(10)}`, '/shaped').responsesToEnd())[0],
    413,
    'not announced, read'
  )
  t.equal(service.received.length, 0, 'the service gets no complete request')
  t.equal(gateway.upstreams[0]?.state().breaker.state, 'closed', 'no failure is counted')
  const after = new Client(url).write(GET, 'GET')
  t.equal((await after.response()).status, 200)
  after.end()
})

t.test('a connection carries maxRequestsPerSocket requests', async t => {
  const service = await startRecorder(t)
  const { url } = await startEcho(t, service.url, { http: { maxRequestsPerSocket: 3 } })
  const answers = await new Client(url).write(GET.repeat(5), ...Array(5).fill('GET')).responsesToEnd()
  t.same(
    answers.map(answer => [answer.status, field(answer, 'connection')]),
    [
      [200, 'keep-alive'],
      [200, 'keep-alive'],
      [200, 'close']
    ],
    'pipelined'
  )
  t.equal(service.received.length, 3)
})

t.test('connections are limited to maxConnections, and per address to maxConnectionsPerAddress', async t => {
  const service = await startRecorder(t)
  for (const [what, options, isLimited] of [
    ['an address', { http: { maxConnectionsPerAddress: 3 } }, true],
    ['in all', { http: { maxConnections: 3 } }, true],
    [
      'a trusted proxy has no limit of its own',
      { http: { maxConnectionsPerAddress: 3 }, trustProxy: ['127.0.0.1'] },
      false
    ],
    ['but not in all', { http: { maxConnections: 3 }, trustProxy: ['127.0.0.1'] }, true]
  ] as [string, Parameters<typeof startEcho>[2], boolean][]) {
    const { url } = await startEcho(t, service.url, options)
    const clients = [1, 2, 3].map(() => new Client(url).write(GET, 'GET'))
    for (const client of clients) t.equal((await client.response()).status, 200)
    service.received.length = 0
    const fourth = new Client(url).write(GET, 'GET')
    const answer = await fourth.response()
    if (isLimited) {
      isProblem(t, answer, 503, what)
      t.equal(field(answer, 'retry-after'), '1')
      await fourth.responsesToEnd()
      t.equal(service.received.length, 0)
    } else t.equal(answer.status, 200, what)
    fourth.end()
    clients.pop()?.end()
    await until(async () => {
      const next = new Client(url).write(GET, 'GET')
      const { status } = await next.response()
      next.end()
      return status === 200
    }, 'the place of one that has left')
    for (const client of clients) client.end()
  }
})

t.test('a client that does not read is disconnected at the deadline, and holds no memory', async t => {
  const size = 64 * 1_048_576
  let sent = 0
  const chunk = Buffer.alloc(65_536)
  const streaming = await startService(t, (_request, response) => {
    response.writeHead(200, { 'content-length': size })
    const push = () => {
      while (sent < size && !response.destroyed) {
        sent += chunk.length
        if (!response.write(chunk)) return void response.once('drain', push)
      }
      response.end()
    }
    push()
  })
  const { url, gateway } = await startEcho(t, streaming, { deadline: 1_000, failures: 1 })
  const before = process.memoryUsage().arrayBuffers
  const client = new Client(url)
  client.socket.pause()
  client.write(GET, 'GET')
  await until(() => sent > 0 || undefined, 'the answer')
  let most = 0
  await until(async () => {
    most = Math.max(most, process.memoryUsage().arrayBuffers)
    return (await connectionsOf(gateway)) === 0
  }, 'the end of the connection')
  t.ok(sent < size / 2, `backpressure reaches the service: ${sent} bytes sent`)
  t.ok(most - before < size / 4, `${most - before} bytes held`)
  t.equal(gateway.upstreams[0]?.state().breaker.state, 'closed', 'no failure of the service is counted')
  client.end()
})

t.test('a client that does not read buffered responses is disconnected at the deadline', async t => {
  const body = 'x'.repeat(60_000)
  const service = await startTcpService(t, socket =>
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
  )
  const { url, gateway } = await startEcho(t, service, { deadline: 500 })
  const client = new Client(url)
  client.socket.pause()
  let begun = 0
  gateway.onExchangeEnd(() => begun++)
  client.write(GET.repeat(1_000))
  // The connection may not exist before the first response.
  await until(() => begun > 0, 'the first response')
  await until(async () => (await connectionsOf(gateway)) === 0, 'the end of the connection')
  t.ok(begun < 1_000, 'the client was disconnected early')
  client.end()
})
