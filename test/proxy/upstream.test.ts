import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import t from 'tap'
import { products } from '../../routes/products.ts'
import { call, closedPort, startGateway, startService, startTcpService } from '../harness.ts'
import { until } from '../until.ts'

const scopes = { products: { prefix: '/products', routes: products } }

t.test('every failure of a service is a 502 without details', async t => {
  const ways: Record<string, string> = {
    'refuses the connection': await closedPort(),
    'resets it': await startTcpService(t, socket => socket.resetAndDestroy()),
    'closes it without an answer': await startTcpService(t, socket => socket.end()),
    'answers what is not HTTP': await startTcpService(t, socket => socket.end('SSH-2.0-OpenSSH_9.2\r\n')),
    'responds with an invalid status': await startTcpService(t, socket =>
      socket.end('HTTP/1.1 999 No\r\ncontent-length: 0\r\n\r\n')
    ),
    'answers a truncated body': await startTcpService(t, socket =>
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc')
    ),
    'responds with an invalid header': await startTcpService(t, socket =>
      socket.end('HTTP/1.1 200 OK\r\nbad header\r\n\r\n')
    ),
    'answers two lengths': await startTcpService(t, socket =>
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab')
    )
  }
  for (const [way, service] of Object.entries(ways)) {
    const { url } = await startGateway(t, { upstreams: { products: { url: service } }, scopes })
    const answer = await call(`${url}/products`)
    t.equal(answer.status, 502, way)
    t.match(answer.headers.get('content-type'), 'application/problem+json')
    t.match(answer.json, {
      title: /^The service (failed to respond|sent an invalid response)$/,
      status: 502,
      requestId: String
    })
    t.notMatch(answer.text, /127\.0\.0\.1|ECONN|UND_ERR|at .*\.ts|socket/i, 'no address, no cause, no stack')
  }
})

t.test('a GET with a 503 is sent once (reply-from note 1)', async t => {
  let calls = 0
  const service = await startService(t, (_request, response) => {
    calls++
    response.writeHead(503, { 'retry-after': '7' }).end('busy')
  })
  const { url } = await startGateway(t, { upstreams: { products: { url: service } }, scopes })
  const answer = await call(`${url}/products`)
  t.equal(answer.status, 503)
  t.equal(answer.text, 'busy')
  t.equal(answer.headers.get('retry-after'), '7')
  t.equal(calls, 1)
})

t.test('large bodies with 503 hold no connection (reply-from note 2)', async t => {
  let sockets = 0
  const service = await startService(t, (request, response) => {
    if (request.url === '/products/bad') response.writeHead(503).end(Buffer.alloc(200_000))
    else response.end('fine')
  })
  const { url } = await startGateway(t, {
    upstreams: { products: { url: service, connections: 2, breaker: { failures: 1_000 } } },
    scopes
  })
  for (let i = 0; i < 10; i++) sockets += (await call(`${url}/products/bad`)).status === 503 ? 1 : 0
  t.equal(sockets, 10)
  t.equal((await call(`${url}/products/good`)).text, 'fine')
})

t.test(
  'the breaker opens after five failures, answers 503, and closes after three passed trials',
  async t => {
    let isUp = false
    let calls = 0
    const service = await startService(t, (_request, response) => {
      calls++
      response.writeHead(isUp ? 200 : 500).end()
    })
    const { url, gateway } = await startGateway(t, {
      upstreams: { products: { url: service, breaker: { resetTimeout: 3_000 } } },
      scopes
    })
    const statuses = async (times: number) => {
      const seen: number[] = []
      for (let i = 0; i < times; i++) seen.push((await call(`${url}/products`)).status)
      return seen
    }
    t.same(await statuses(7), [500, 500, 500, 500, 500, 503, 503])
    t.equal(calls, 5, 'an open breaker rejects calls')
    const refused = await call(`${url}/products`)
    t.match(refused.json, { title: 'Service temporarily unavailable', status: 503, retryAfter: 3 })
    t.equal(refused.headers.get('retry-after'), '3')
    isUp = true
    await until(() => gateway.upstream('products').state().breaker.state === 'half-open')
    t.same(await statuses(3), [200, 200, 200])
    t.match(gateway.upstream('products').state(), {
      name: 'products',
      breaker: { state: 'closed', opened: 1, rejected: 3 }
    })
  }
)

t.test('neither 4xx nor disconnects open the breaker', async t => {
  const service = await startService(t, (request, response) => {
    if (request.url === '/products/slow') return
    response.writeHead(404).end()
  })
  const { url, gateway } = await startGateway(t, { upstreams: { products: { url: service } }, scopes })
  for (let i = 0; i < 10; i++) t.equal((await call(`${url}/products/none`)).status, 404)
  for (let i = 0; i < 10; i++) {
    const controller = new AbortController()
    const leaving = call(`${url}/products/slow`, { signal: controller.signal })
    setTimeout(() => controller.abort(), 10)
    await t.rejects(leaving)
  }
  t.match(gateway.upstream('products').state().breaker, { state: 'closed', failures: 0 })
})

t.test('the deadline covers hanging and trickling services (reply-from note 7)', async t => {
  const silent = await startService(t, () => {})
  const trickling = await startService(t, (_request, response) => {
    response.writeHead(200, { 'content-length': '1000' })
    const timer = setInterval(() => response.write('x'), 20)
    response.on('close', () => clearInterval(timer))
  })
  for (const service of [silent, trickling]) {
    const { url } = await startGateway(t, {
      deadline: 300,
      upstreams: { products: { url: service } },
      scopes
    })
    const started = Date.now()
    const answer = await call(`${url}/products`)
    t.equal(answer.status, 504)
    t.match(answer.json, { title: 'The service took too long to respond' })
    t.ok(Date.now() - started < 3_000, 'long before the service would have ended')
  }
})

t.test('a stream beyond its deadline is aborted, so that the client sees it', async t => {
  let closed = false
  const service = await startService(t, (_request, response) => {
    response.writeHead(200).write('beginning')
    response.on('close', () => {
      closed = true
    })
  })
  const { url } = await startGateway(t, {
    deadline: 1_000,
    upstreams: { products: { url: service } },
    scopes
  })
  await t.rejects(call(`${url}/products`))
  await until(() => closed)
})

t.test('a route sets its own deadline', async t => {
  const service = await startService(t, () => {})
  const { url } = await startGateway(t, {
    deadline: 60_000,
    upstreams: { products: { url: service } },
    scopes: {
      products: {
        prefix: '/products',
        routes: async app => {
          const { default: forward } = await import('../../plugins/forward.ts')
          await app.register(forward)
          app.forward({
            method: 'GET',
            url: '/',
            upstream: 'products',
            prefix: '/products',
            config: { deadline: 100 }
          })
        }
      }
    }
  })
  t.equal((await call(`${url}/products`)).status, 504)
})

t.test('a disconnect cancels the call before and during the response (reply-from note 6)', async t => {
  const cancelled: string[] = []
  const reached: string[] = []
  const service = await startService(t, (request, response) => {
    const path = request.url as string
    reached.push(path)
    if (path === '/products/streaming') response.writeHead(200).write('beginning')
    if (path === '/products/collecting')
      response.writeHead(200, { 'content-length': '20' }).write('beginning')
    response.on('close', () => cancelled.push(path))
  })
  const { url } = await startGateway(t, { upstreams: { products: { url: service } }, scopes })
  for (const id of ['silent', 'streaming', 'collecting']) {
    const path = `/products/${id}`
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    socket.write(`GET ${path} HTTP/1.1\r\nhost: gateway\r\n\r\n`)
    if (id === 'streaming') await once(socket, 'data')
    else await until(() => reached.includes(path))
    socket.destroy()
    await until(() => cancelled.includes(path))
    t.pass(id)
  }
})

t.test('a disconnect during the upload cancels the call', async t => {
  let aborted = false
  let request: IncomingMessage | undefined
  const service = await startService(t, incoming => {
    request = incoming
    incoming.resume().on('error', () => {})
    incoming.on('close', () => {
      aborted = !incoming.complete
    })
  })
  const { url, gateway } = await startGateway(t, {
    upstreams: { products: { url: service } },
    scopes: { products: { prefix: '/products', routes: upload } }
  })
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.write('POST /products HTTP/1.1\r\nhost: gateway\r\ncontent-length: 1000\r\n\r\nbeginning')
  await until(() => request !== undefined)
  socket.destroy()
  await until(() => aborted)
  t.match(gateway.upstream('products').state().breaker, { state: 'closed', failures: 0 })
})

t.test('bodies stream both ways, unparsed and with backpressure', async t => {
  const service = await startService(t, (request, response) => {
    response.writeHead(200, { 'content-type': request.headers['content-type'] ?? 'none' })
    request.pipe(response)
  })
  const { url } = await startGateway(t, {
    upstreams: { products: { url: service } },
    bodyLimit: 5_000_000,
    scopes: { products: { prefix: '/products', routes: upload } }
  })
  const body = Buffer.alloc(5_000_000, 'sluice')
  const response = await fetch(`${url}/products`, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json' }
  })
  t.equal(response.headers.get('content-type'), 'application/json')
  t.ok(Buffer.from(await response.arrayBuffer()).equals(body), 'even invalid JSON')
  const chunked = await fetch(`${url}/products`, {
    method: 'POST',
    body: new Blob(['a', 'b']).stream(),
    duplex: 'half'
  } as RequestInit)
  t.equal(await chunked.text(), 'ab')
})

t.test('small and large responses are the same for a client', async t => {
  const service = await startService(t, (request, response) => {
    const size = Number(request.url?.split('/').pop())
    response
      .writeHead(200, { 'content-length': size, etag: '"e"', 'set-cookie': ['a=1', 'b=2'] })
      .end(Buffer.alloc(size, 'x'))
  })
  const { url } = await startGateway(t, { upstreams: { products: { url: service } }, scopes })
  for (const size of [0, 1, 65_536, 65_537, 1_000_000]) {
    const answer = await call(`${url}/products/${size}`)
    t.equal(answer.text, 'x'.repeat(size))
    t.equal(answer.headers.get('content-length'), String(size))
    t.equal(answer.headers.get('etag'), '"e"')
    t.same(answer.headers.getSetCookie(), ['a=1', 'b=2'])
  }
})

t.test('a body has the same bytes as text, as a Buffer and as a stream', async t => {
  const bodies = [
    Buffer.alloc(0),
    Buffer.from('{"ascii":true}'),
    Buffer.alloc(4_096, 'x'),
    Buffer.alloc(4_097, 'x'),
    Buffer.from('{"name":"Zoë \u{1F600}"}'),
    Buffer.from([0x63, 0x61, 0x66, 0xe9]),
    Buffer.from([0x00, 0x7f, 0x0d, 0x0a, 0x80, 0xff])
  ]
  const service = await startService(t, (request, response) => {
    const [index, type] = (request.url as string).replace(/^.*\//, '').split('-') as [string, string]
    if (type !== 'none')
      response.setHeader('content-type', type === 'json' ? 'application/json' : 'application/octet-stream')
    const body = bodies[Number(index)] as Buffer
    response.setHeader('content-length', body.length).end(body)
  })
  const { url } = await startGateway(t, { upstreams: { products: { url: service } }, scopes })
  for (const index of bodies.keys()) {
    for (const type of ['json', 'bytes', 'none']) {
      const [through, direct] = await Promise.all(
        [url, service].map(async base => {
          const response = await fetch(`${base}/products/${index}-${type}`)
          const { headers } = response
          return {
            bytes: Buffer.from(await response.arrayBuffer()).toString('hex'),
            type: headers.get('content-type'),
            length: headers.get('content-length')
          }
        })
      )
      t.same(through, direct, `${index} as ${type}`)
    }
  }
})

t.test('HEAD, 204 and 304 have no body, and HEAD keeps its content-length', async t => {
  const service = await startService(t, (request, response) => {
    if (request.url === '/products/none') return response.writeHead(204).end()
    if (request.url === '/products/same') return response.writeHead(304, { etag: '"e"' }).end()
    response
      .writeHead(200, { 'content-length': '1234' })
      .end(request.method === 'HEAD' ? undefined : Buffer.alloc(1234))
  })
  const { url } = await startGateway(t, { upstreams: { products: { url: service } }, scopes })
  const head = await call(`${url}/products`, { method: 'HEAD' })
  t.equal(head.headers.get('content-length'), '1234')
  t.equal(head.text, '')
  t.equal((await call(`${url}/products/none`)).status, 204)
  const same = await call(`${url}/products/same`, { headers: { 'if-none-match': '"e"' } })
  t.equal(same.status, 304)
  t.equal(same.headers.get('etag'), '"e"')
})

t.test("an upstream's base path is kept", async t => {
  const service = await startService(t, (request, response) => response.end(request.url))
  const { url } = await startGateway(t, { upstreams: { products: { url: `${service}/shop/v3/` } }, scopes })
  t.equal((await call(`${url}/products/1?a=b`)).text, '/shop/v3/products/1?a=b')
})

async function upload(app: import('fastify').FastifyInstance) {
  const { default: forward } = await import('../../plugins/forward.ts')
  await app.register(forward)
  app.forward({ method: 'POST', url: '/', upstream: 'products', prefix: '/products' })
}
