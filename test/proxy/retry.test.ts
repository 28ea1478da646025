import t from 'tap'
import { UpstreamFailed, UpstreamInvalidResponse, UpstreamTimeout } from '../../proxy/errors.ts'
import { millisecondsOf, retryReason } from '../../proxy/retry.ts'
import { call, closedPort, startGateway, startService, startTcpService } from '../harness.ts'
import { forwarding, until } from './service.ts'

const never = { failures: 1_000_000 }

t.test('conditions of a retry', async t => {
  const cases = [
    { name: 'a status that is listed', method: 'GET', first: 503, retry: {}, status: 200, calls: 2 },
    { name: 'unless retries were not asked for', method: 'GET', first: 503, status: 503, calls: 1 },
    { name: 'a status that is not listed', method: 'GET', first: 500, retry: {}, status: 500, calls: 1 },
    { name: 'PUT, which may be sent twice', method: 'PUT', first: 502, retry: {}, status: 200, calls: 2 },
    { name: 'POST, which may not', method: 'POST', first: 502, retry: {}, status: 502, calls: 1 },
    {
      name: 'POST that the config lets',
      method: 'POST',
      first: 504,
      retry: { methods: ['POST'] },
      status: 200,
      calls: 2
    },
    { name: 'a broken connection', method: 'GET', first: 'reset', status: 200, calls: 2 },
    { name: 'a broken connection for PUT', method: 'PUT', first: 'reset', status: 200, calls: 2 },
    { name: 'a broken connection for POST', method: 'POST', first: 'reset', status: 502, calls: 1 },
    {
      name: 'a broken connection, retries off',
      method: 'GET',
      first: 'reset',
      retry: { attempts: 0 },
      status: 502,
      calls: 1
    },
    {
      name: 'a Retry-After that is too long',
      method: 'GET',
      first: 503,
      after: '60',
      retry: {},
      status: 503,
      calls: 1
    },
    { name: 'a Retry-After of now', method: 'GET', first: 503, after: '0', retry: {}, status: 200, calls: 2 }
  ]
  for (const { name, method, first, after, retry, status, calls } of cases) {
    const seen: string[] = []
    const service = await startService(t, (request, response) => {
      let body = ''
      request.on('data', chunk => {
        body += chunk
      })
      request.on('end', () => {
        seen.push(body)
        if (seen.length > 1) return response.end('done')
        if (first === 'reset') return void request.socket.destroy()
        if (after) response.setHeader('retry-after', after)
        response.writeHead(first as number).end('first')
      })
    })
    const { url } = await startGateway(t, {
      upstreams: { orders: { url: service, ...(retry && { retry: retry as object }) } },
      scopes: { orders: { prefix: '/orders', routes: forwarding } }
    })
    const sent = method === 'GET' ? undefined : '{"qty":3}'
    const answer = await call(`${url}/orders`, { method, body: sent })
    t.equal(answer.status, status, name)
    t.same(seen, Array(calls).fill(sent ?? ''), `${name}: the same body each time`)
    if (status === first) t.equal(answer.text, 'first', 'the last response is passed on with its body')
  }
})

t.test('a POST is not retried, even if its body could be sent again', async t => {
  let calls = 0
  const service = await startService(t, (_request, response) => {
    calls++
    response.writeHead(503).end()
  })
  const { url } = await startGateway(t, {
    upstreams: { orders: { url: service, retry: {} } },
    scopes: { orders: { prefix: '/orders', routes: forwarding } }
  })
  t.equal((await call(`${url}/orders`, { method: 'POST' })).status, 503)
  t.equal(calls, 1)
})

t.test('a timed out attempt is retried', async t => {
  let calls = 0
  const service = await startService(t, (_request, response) => {
    if (++calls > 1) response.end('done')
  })
  const { url, gateway } = await startGateway(t, {
    upstreams: { orders: { url: service, timeout: 200, retry: {} } },
    scopes: { orders: { prefix: '/orders', routes: forwarding } }
  })
  t.equal((await call(`${url}/orders`)).text, 'done')
  t.equal(calls, 2)
  t.match(gateway.upstream('orders').state(), {
    calls: { running: 0, retries: 1 },
    breaker: { calls: 1, successes: 1, failures: 0 },
    endpoints: [{ inFlight: 0 }]
  })
})

t.test('bodies up to the limit are sent again unchanged, larger ones once', async t => {
  const bodies: Buffer[] = []
  const service = await startService(t, (request, response) => {
    const chunks: Buffer[] = []
    request.on('data', chunk => chunks.push(chunk))
    request.on('end', () => {
      bodies.push(Buffer.concat(chunks))
      response.writeHead(bodies.length === 1 ? 503 : 200).end()
    })
  })
  const { url } = await startGateway(t, {
    bodyLimit: 10_000_000,
    upstreams: { orders: { url: service, retry: { maxBody: 300_000 } } },
    scopes: { orders: { prefix: '/orders', routes: forwarding } }
  })
  for (const [size, status] of [
    [300_000, 200],
    [300_001, 503],
    [5_000_000, 503]
  ] as const) {
    bodies.length = 0
    const body = Buffer.alloc(size, 'sluice \u00e9 ')
    t.equal((await call(`${url}/orders`, { method: 'PUT', body })).status, status, `${size} bytes`)
    for (const received of bodies) t.ok(received.equals(body))
    t.equal(bodies.length, status === 200 ? 2 : 1)
  }
})

t.test('a body rejected while it is sent is sent again from its start', async t => {
  const bodies: string[] = []
  const service = await startService(t, (request, response) => {
    if (bodies.push('') === 1) return response.writeHead(503).end('not now')
    request.on('data', chunk => {
      bodies[1] += chunk
    })
    request.on('end', () => response.end('done'))
  })
  const { url } = await startGateway(t, {
    upstreams: { orders: { url: service, retry: {} } },
    scopes: { orders: { prefix: '/orders', routes: forwarding } }
  })
  async function* parts() {
    yield Buffer.from('first,')
    await until(() => bodies.length > 1)
    yield Buffer.from('second')
  }
  const answer = await call(`${url}/orders`, { method: 'PUT', body: parts(), duplex: 'half' } as never)
  t.equal(answer.text, 'done')
  t.equal(bodies[1], 'first,second')
})

t.test('no retry after the first byte to the client, or after the exchange has ended', async t => {
  let calls = 0
  const service = await startService(t, (request, response) => {
    calls++
    if (request.url === '/orders/slow') return
    response.writeHead(200).write('beginning')
    setTimeout(() => response.destroy(), 20)
  })
  const { url, gateway } = await startGateway(t, {
    deadline: 300,
    upstreams: { orders: { url: service, breaker: never, retry: { attempts: 5 } } },
    scopes: { orders: { prefix: '/orders', routes: forwarding } }
  })
  await t.rejects(call(`${url}/orders`))
  t.equal(calls, 1, 'an aborted stream')
  t.equal((await call(`${url}/orders/slow`)).status, 504)
  t.equal(calls, 2, 'a deadline')
  const leaving = new AbortController()
  const left = call(`${url}/orders/slow`, { signal: leaving.signal })
  await until(() => calls === 3)
  leaving.abort()
  await t.rejects(left)
  await until(() => gateway.upstream('orders').state().calls.running === 0)
  t.equal(calls, 3, 'a disconnected client')
  t.match(gateway.upstream('orders').state().calls, { retries: 0 })
})

t.test('a disconnect cancels a pending retry', async t => {
  let calls = 0
  const service = await startService(t, (_request, response) => {
    calls++
    response.writeHead(503, { 'retry-after': '30' }).end()
  })
  const { url, gateway } = await startGateway(t, {
    deadline: 60_000,
    upstreams: { orders: { url: service, retry: { maxRetryAfter: 30_000 } } },
    scopes: { orders: { prefix: '/orders', routes: forwarding } }
  })
  const leaving = new AbortController()
  const left = call(`${url}/orders`, { signal: leaving.signal })
  await until(() => gateway.upstream('orders').state().calls.retries === 1)
  leaving.abort()
  await t.rejects(left)
  await until(() => gateway.upstream('orders').state().calls.running === 0)
  t.equal(calls, 1)
})

t.test('a Retry-After beyond the deadline is passed on with its response', async t => {
  const service = await startService(t, (_request, response) =>
    response.writeHead(503, { 'retry-after': '30' }).end('busy')
  )
  const { url } = await startGateway(t, {
    deadline: 5_000,
    upstreams: { orders: { url: service, retry: { maxRetryAfter: 60_000 } } },
    scopes: { orders: { prefix: '/orders', routes: forwarding } }
  })
  const answer = await call(`${url}/orders`)
  t.equal(answer.text, 'busy')
  t.equal(answer.headers.get('retry-after'), '30')
})

t.test('a half-open request is not retried', async t => {
  let calls = 0
  const service = await startService(t, (_request, response) => {
    calls++
    response.writeHead(503).end()
  })
  const { url, gateway } = await startGateway(t, {
    upstreams: { orders: { url: service, breaker: { failures: 1, resetTimeout: 50 }, retry: {} } },
    scopes: { orders: { prefix: '/orders', routes: forwarding } }
  })
  await call(`${url}/orders`)
  t.equal(calls, 2)
  await until(() => gateway.upstream('orders').state().breaker.state === 'half-open')
  await call(`${url}/orders`)
  t.equal(calls, 3)
})

t.test('a closed kept-alive connection causes no error', async t => {
  let isFirst = true
  const service = await startTcpService(t, socket => {
    // Responds once with keep-alive, and closes on the next request.
    if (isFirst) {
      isFirst = false
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
      socket.removeAllListeners('data')
      socket.on('data', () => socket.destroy())
    } else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok')
  })
  const { url, gateway } = await startGateway(t, {
    upstreams: { orders: { url: service, connections: 1 } },
    scopes: { orders: { prefix: '/orders', routes: forwarding } }
  })
  t.equal((await call(`${url}/orders`)).text, 'ok')
  t.equal((await call(`${url}/orders`)).text, 'ok')
  t.match(gateway.upstream('orders').state(), { calls: { retries: 1 }, breaker: { failures: 0 } })
})

t.test('any method is retried after a failed connection attempt, since nothing was sent', async t => {
  const closed = await closedPort()
  const { url, gateway } = await startGateway(t, {
    upstreams: { orders: { url: closed, breaker: never, retry: { backoff: { base: 0, max: 0 } } } },
    scopes: { orders: { prefix: '/orders', routes: forwarding } }
  })
  t.equal((await call(`${url}/orders`, { method: 'POST', body: 'x' })).status, 502)
  t.match(gateway.upstream('orders').state().calls, { retries: 1 })
})

t.test('Retry-After is seconds or a date; anything else is ignored', async t => {
  t.equal(millisecondsOf('3'), 3_000)
  t.equal(millisecondsOf('Sun, 06 Nov 1994 08:49:37 GMT'), 0)
  const ms = millisecondsOf(new Date(Date.now() + 60_000).toUTCString())
  t.ok(ms > 50_000 && ms <= 60_000)
  for (const wrong of ['', '-1', 'soon', '1e9', '99999999999']) t.ok(millisecondsOf(wrong) >= 0, wrong)
  t.equal(millisecondsOf('soon'), 0)
})

t.test('errors that a retry cannot fix are not retried', async t => {
  const cause = Object.assign(new Error(), { code: 'HPE_INVALID_CONSTANT' })
  t.equal(retryReason(new UpstreamFailed({ cause }), true), undefined)
  t.equal(retryReason(new UpstreamInvalidResponse(), true), undefined)
  t.equal(retryReason(new UpstreamFailed(), true), undefined)
  const lost = Object.assign(new Error(), { code: 'ECONNRESET' })
  t.equal(retryReason(new UpstreamFailed({ cause: lost }), true), 'reset')
  t.equal(retryReason(new UpstreamFailed(), false), 'connect')
  t.equal(retryReason(new UpstreamTimeout(), true), 'timeout')
  t.equal(retryReason(new UpstreamTimeout(), false), 'connect')
})
