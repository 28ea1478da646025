import { once } from 'node:events'
import type { OutgoingHttpHeaders } from 'node:http2'
import { connect } from 'node:tls'
import t, { type Test } from 'tap'
import forward from '../../plugins/forward.ts'
import { type Ending, startGateway, startService, startTcpService } from '../harness.ts'
import { ca, exchange, read, startSession, tls } from '../http2.ts'
import { frame, HEADERS, SETTINGS } from '../proxy/http2/frames.ts'

/** Requests over HTTP/2 that must be handled as over HTTP/1.1. */
function start(t: Ending, url: string) {
  return startGateway(t, {
    listen: { tls, http2: true },
    deadline: 2_000,
    upstreams: { products: { url } },
    scopes: {
      echo: {
        prefix: '/echo',
        routes: async app => {
          await app.register(forward)
          app.forward({
            method: ['GET', 'POST', 'DELETE', 'OPTIONS'],
            url: '/*',
            upstream: 'products',
            prefix: ''
          })
        }
      }
    }
  })
}

const HEAD = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n'

t.test('early hints and trailers reach clients of HTTP/2', async t => {
  let chunks = ''
  const service = await startTcpService(t, socket =>
    socket.write(
      `HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nX: y\r\n\r\n${HEAD}${chunks}0\r\nX-Sum: 5\r\nSet-Cookie: a=b\r\n\r\n`
    )
  )
  const session = await startSession(t, (await start(t, service)).url)
  const ask = async (headers: OutgoingHttpHeaders) => {
    const stream = session.request({ ':path': '/echo/', ...headers })
    const hints: unknown[] = []
    let trailers: object | undefined
    stream.on('headers', headers => hints.push(plain(headers)))
    stream.on('trailers', headers => {
      trailers = plain(headers)
    })
    const { status, body } = await read(stream)
    return { status, body: body.toString(), hints, trailers }
  }
  const hints = [{ ':status': 103, link: '</a.css>; rel=preload' }]
  for (chunks of ['5\r\nhello\r\n', '']) {
    const body = chunks === '' ? '' : 'hello'
    t.strictSame(await ask({ te: 'trailers' }), { status: 200, body, hints, trailers: { 'x-sum': '5' } })
    t.strictSame(await ask({}), { status: 200, body, hints, trailers: undefined }, 'for who asks for them')
  }
})

t.test('GET and HEAD with content are rejected, other methods pass', async t => {
  const bodies: string[] = []
  const service = await startService(t, async (request, response) => {
    let body = ''
    for await (const chunk of request) body += chunk
    bodies.push(`${request.method} ${body}`)
    response.end('ok')
  })
  const session = await startSession(t, (await start(t, service)).url)
  const send = (method: string, body: string, headers: OutgoingHttpHeaders = {}) =>
    exchange(session, { ':method': method, ':path': '/echo/', ...headers }, body)
  for (const method of ['GET', 'HEAD', 'TRACE']) {
    t.equal((await send(method, 'x')).status, 400, method)
    t.equal((await send(method, 'x', { 'content-length': 1 })).status, 400, `${method} with a length`)
    t.equal((await send(method, 'x'.repeat(500_000))).status, 400, `${method} with much`)
  }
  t.same(bodies, [], 'the service hears of none')
  t.equal((await send('GET', '')).status, 200, 'an empty DATA frame is no content')
  t.equal((await send('GET', '', { 'content-length': 0 })).status, 200)
  for (const method of ['POST', 'DELETE', 'OPTIONS']) t.equal((await send(method, 'x')).status, 200, method)
  t.same(bodies, ['GET ', 'GET ', 'POST x', 'DELETE x', 'OPTIONS x'])
})

t.test('a GET whose body does not come ends at the deadline', async t => {
  const service = await startService(t, (_request, response) => response.end('ok'))
  const session = await startSession(t, (await start(t, service)).url)
  const stream = session.request({ ':path': '/echo/' }, { endStream: false })
  t.equal((await read(stream)).status, 408)
})

/** A connection on which frames are written by hand. Answers with the status of a request with these fields. */
async function startFrames(t: Test, url: string) {
  const fields = (pairs: [string, string][]) =>
    Buffer.concat(pairs.flatMap(([name, value]) => [Buffer.from([0x00]), text(name), text(value)]))
  return async (pairs: [string, string][]): Promise<string> => {
    const socket = connect({
      port: Number(new URL(url).port),
      host: '127.0.0.1',
      servername: 'localhost',
      ca,
      ALPNProtocols: ['h2']
    })
    t.teardown(() => socket.destroy())
    socket.on('error', () => {})
    socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
    socket.write(frame(SETTINGS, 0, 0))
    socket.write(frame(HEADERS, 0x5, 1, fields(pairs)))
    let bytes = Buffer.alloc(0)
    for (;;) {
      const [chunk] = (await once(socket, 'data')) as [Buffer]
      bytes = Buffer.concat([bytes, chunk])
      for (let at = 0; at + 9 <= bytes.length; at += 9 + bytes.readUIntBE(at, 3)) {
        const type = bytes[at + 3]
        const end = at + 9 + bytes.readUIntBE(at, 3)
        if (end > bytes.length) break
        const payload = bytes.subarray(at + 9, end)
        if (type === 3) return 'reset'
        if (type === 7) return 'goaway'
        // Its problem says it; the headers are compressed.
        if (type === 0) return /"status":(\d+)/.exec(payload.toString())?.[1] ?? payload.toString()
      }
    }
  }
}

/** A string of RFC 7541, 5.2, as it is. */
function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1')
  if (bytes.length > 126) throw new Error('too long for one byte')
  return Buffer.concat([Buffer.from([bytes.length]), bytes])
}

t.test('pseudo-headers that HTTP/1.1 cannot express are rejected', async t => {
  const targets: (string | undefined)[] = []
  const service = await startService(t, (request, response) => {
    targets.push(request.url)
    response.end('passed')
  })
  const ask = await startFrames(t, (await start(t, service)).url)
  const request = (changes: Record<string, string | undefined>): [string, string][] =>
    Object.entries({
      ':method': 'GET',
      ':scheme': 'https',
      ':path': '/echo/a',
      ':authority': 'localhost',
      ...changes
    }).filter((pair): pair is [string, string] => pair[1] !== undefined)
  t.equal(await ask(request({})), 'passed')
  t.equal(await ask(request({ ':authority': undefined, host: 'localhost' })), 'passed')
  targets.length = 0
  const isRefused = async (status: string, changes: Record<string, string | undefined>) => {
    const outcome = await ask(request(changes))
    t.ok(
      outcome === status || outcome === 'reset' || outcome === 'goaway',
      `${JSON.stringify(changes)}: ${outcome}`
    )
  }
  for (const path of ['\x80', '\xc3\xa9', '\xff', '\x01', '\x7f', ' ', '\t', '#x', '?\xe9', '?a b', '?\x00'])
    await isRefused('400', { ':path': `/echo/a${path}` })
  for (const path of ['', 'echo/a', '*', 'https://other/echo/a', '/echo\\a', '/echo/../a'])
    await isRefused('400', { ':path': path })
  for (const method of ['', 'GE T', 'GET\x80', '(', '"']) await isRefused('400', { ':method': method })
  for (const method of ['FOO', 'get', 'PRI']) await isRefused('501', { ':method': method })
  for (const scheme of ['', 'ftp', 'https:', 'h\x80']) await isRefused('400', { ':scheme': scheme })
  for (const authority of ['a@localhost', 'local host', 'local\x80', '', 'localhost/x'])
    await isRefused('400', { ':authority': authority })
  await isRefused('400', { ':authority': undefined })
  t.same(targets, [], 'the service hears of none')
})

/** Without the symbols that Node adds. */
function plain(headers: object): object {
  return Object.fromEntries(Object.entries(headers))
}
