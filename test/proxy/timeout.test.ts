import t from 'tap'
import { call, startGateway, startService } from '../harness.ts'
import { forwarding } from './service.ts'

/** An upstream's `timeout` and `idleTimeout`, and what counts as a failure. */

t.test('without retries the timeout of an attempt is a 504 before the deadline', async t => {
  const service = await startService(t, () => {})
  const { url } = await startGateway(t, {
    deadline: 60_000,
    upstreams: { orders: { url: service, timeout: 100, retry: { attempts: 0 } } },
    scopes: { orders: { prefix: '/orders', routes: forwarding } }
  })
  const answer = await call(`${url}/orders`)
  t.match(answer.json, { status: 504, type: 'urn:sluice:upstream-timeout' })
})

t.test('a stalled response is aborted by the idle timeout', async t => {
  const service = await startService(t, (_request, response) => {
    response.writeHead(200).write('beginning')
  })
  const { url, gateway } = await startGateway(t, {
    deadline: 60_000,
    upstreams: { orders: { url: service, idleTimeout: 200, retry: { attempts: 0 } } },
    scopes: { orders: { prefix: '/orders', routes: forwarding } }
  })
  await t.rejects(call(`${url}/orders`))
  t.match(gateway.upstream('orders').state(), { breaker: { failures: 1 }, calls: { running: 0 } })
})

t.test('a slow upload does not count towards the timeout', async t => {
  const service = await startService(t, (request, response) => {
    request.resume().on('end', () => response.end('done'))
  })
  const { url, gateway } = await startGateway(t, {
    upstreams: { orders: { url: service, timeout: 100, breaker: { failures: 1 } } },
    scopes: { orders: { prefix: '/orders', routes: forwarding } }
  })
  async function* slowly() {
    yield Buffer.from('a')
    await new Promise(resolve => setTimeout(resolve, 400))
    yield Buffer.from('b')
  }
  const answer = await call(`${url}/orders`, {
    method: 'POST',
    body: slowly(),
    duplex: 'half'
  } as never)
  t.equal(answer.text, 'done')
  t.match(gateway.upstream('orders').state().breaker, { failures: 0, state: 'closed' })
})

t.test('an incomplete upload does not open the breaker', async t => {
  const service = await startService(t, request => void request.resume())
  const { url, gateway } = await startGateway(t, {
    deadline: 200,
    upstreams: { orders: { url: service, breaker: { failures: 1 } } },
    scopes: { orders: { prefix: '/orders', routes: forwarding } }
  })
  async function* never() {
    yield Buffer.from('a')
    await new Promise(() => {})
  }
  const leaving = new AbortController()
  t.teardown(() => leaving.abort())
  const answer = await call(`${url}/orders`, {
    method: 'POST',
    body: never(),
    duplex: 'half',
    signal: leaving.signal
  } as never)
  t.equal(answer.status, 408)
  t.match(gateway.upstream('orders').state().breaker, { failures: 0, state: 'closed' })
})
