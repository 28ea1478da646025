import { constants } from 'node:http2'
import type { Socket } from 'node:net'
import t from 'tap'
import type { UpstreamOptions } from '../../../schemas/options/upstreams.ts'
import { type Ending, startGateway } from '../../harness.ts'
import { exchange, startSession, tls } from '../../http2.ts'
import { forwarding } from '../service.ts'
import {
  DATA,
  data,
  type Frame,
  type FrameServer,
  goAway,
  HEADERS,
  headers,
  reset,
  startFrameServer
} from './frames.ts'

const { NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM } = constants
const END_STREAM = 1

/** Ways in which a service reports that it has not processed a request. */
const refusals: Record<string, (stream: number, socket: Socket) => void> = {
  REFUSED_STREAM: (stream, socket) => socket.write(reset(stream, NGHTTP2_REFUSED_STREAM)),
  'GOAWAY before the stream': (stream, socket) => socket.write(goAway(stream - 1)),
  'GOAWAY before the stream, with an error': (stream, socket) =>
    socket.write(goAway(stream - 1, NGHTTP2_INTERNAL_ERROR)),
  'GOAWAY before the stream, and a connection that ends': (stream, socket) => socket.end(goAway(stream - 1)),
  'a GOAWAY that is followed by RST_STREAM': (stream, socket) =>
    socket.write(Buffer.concat([goAway(stream - 1, NGHTTP2_NO_ERROR), reset(stream, NGHTTP2_REFUSED_STREAM)]))
}

/** Rejects the first request after a part of its body. Responds to the next one with the size of its body. */
async function startRefusing(
  t: Ending,
  refuse: (stream: number, socket: Socket) => void,
  times = 1
): Promise<FrameServer> {
  let requests = 0
  const bodies = new Map<string, number>()
  const refused = new Set<string>()
  const connections = new Map<Socket, number>()
  return startFrameServer(t, ({ type, flags, stream, payload }: Frame, socket) => {
    if (!connections.has(socket)) connections.set(socket, connections.size)
    const key = `${connections.get(socket)} ${stream}`
    if (type === HEADERS && requests++ < times) refused.add(key)
    if (type === DATA) bodies.set(key, (bodies.get(key) ?? 0) + payload.length)
    const hasEnded = (flags & END_STREAM) !== 0
    if (refused.has(key)) {
      // With a body: after a part of it.
      if ((type === HEADERS && hasEnded) || type === DATA) {
        refused.delete(key)
        bodies.set(key, Number.NaN)
        refuse(stream, socket)
      }
    } else if (hasEnded && !Number.isNaN(bodies.get(key)))
      socket.write(
        Buffer.concat([
          headers(stream, { ':status': '200' }),
          data(stream, String(bodies.get(key) ?? 0), true)
        ])
      )
  })
}

async function start(t: Ending, url: string, options: Partial<UpstreamOptions> = {}) {
  const { gateway, url: own } = await startGateway(t, {
    listen: { tls, http2: true },
    upstreams: { orders: { url, http2: true, ...options } as never },
    scopes: { orders: { prefix: '/orders', routes: forwarding } }
  })
  return { state: () => gateway.upstream('orders').state(), session: await startSession(t, own) }
}

for (const [what, refuse] of Object.entries(refusals))
  for (const method of ['GET', 'POST', 'PATCH'])
    t.test(`${what}: a ${method} is retried`, async t => {
      const service = await startRefusing(t, refuse)
      const { state, session } = await start(t, service.url)
      const body = method === 'GET' ? undefined : 'x'.repeat(10_000)
      const { status, body: received } = await exchange(
        session,
        { ':path': '/orders', ':method': method },
        body
      )
      t.equal(status, 200)
      t.equal(String(received), String(body?.length ?? 0), 'with its complete body')
      t.match(state(), { calls: { retries: 1 }, breaker: { successes: 1, failures: 0 } })
      const [endpoint] = state().endpoints
      // REFUSED_STREAM is a failure of the endpoint, GOAWAY is not.
      t.equal(endpoint?.failures, what === 'REFUSED_STREAM' ? 1 : 0)
    })

t.test('a body too large to keep is not retried', async t => {
  const service = await startRefusing(t, refusals.REFUSED_STREAM as never)
  const { state, session } = await start(t, service.url, { retry: { maxBody: 1_000 } as never })
  const answer = await exchange(session, { ':path': '/orders', ':method': 'POST' }, 'x'.repeat(10_000))
  t.equal(answer.status, 502)
  t.match(state(), { calls: { retries: 0 }, breaker: { failures: 1 } })
})

t.test('a service that rejects all streams gets no more than the allowed retries', async t => {
  const service = await startRefusing(t, refusals.REFUSED_STREAM as never, 1_000)
  const { state, session } = await start(t, service.url)
  const answer = await exchange(session, { ':path': '/orders', ':method': 'POST' }, 'x')
  t.equal(answer.status, 502)
  t.match(state(), { calls: { retries: 1 }, breaker: { failures: 1 } })
  t.equal(service.frames.filter(({ type }) => type === HEADERS).length, 2)
})

t.test('retries after a GOAWAY do not use the budget', async t => {
  const count = 20
  const waiting: number[] = []
  let connections = 0
  const first = new Set<Socket>()
  const service = await startFrameServer(t, ({ type, stream }: Frame, socket) => {
    if (type !== HEADERS) return
    if (connections++ === 0) first.add(socket)
    if (!first.has(socket)) {
      socket.write(Buffer.concat([headers(stream, { ':status': '200' }), data(stream, 'again', true)]))
      return
    }
    waiting.push(stream)
    if (waiting.length === count) socket.write(goAway(0))
  })
  const { state, session } = await start(t, service.url)
  const calls = Array.from({ length: count }, () =>
    exchange(session, { ':path': '/orders', ':method': 'POST' }, 'x')
  )
  for (const { status, body } of await Promise.all(calls)) t.same([status, String(body)], [200, 'again'])
  t.match(state(), { calls: { retries: count, exhausted: 0 }, breaker: { failures: 0 } })
})

t.test('a POST with another reset may have been processed, and is not retried', async t => {
  const service = await startRefusing(t, (stream, socket) =>
    socket.write(reset(stream, NGHTTP2_INTERNAL_ERROR))
  )
  const { state, session } = await start(t, service.url)
  t.equal((await exchange(session, { ':path': '/orders', ':method': 'POST' }, 'x')).status, 502)
  t.match(state().calls, { retries: 0 })
  const again = await startRefusing(t, (stream, socket) =>
    socket.write(reset(stream, NGHTTP2_INTERNAL_ERROR))
  )
  const other = await start(t, again.url)
  t.equal((await exchange(other.session, { ':path': '/orders' })).status, 200, 'a GET is retried')
})

t.test('a rejected request is retried at another endpoint', async t => {
  const refusing = await startRefusing(t, refusals.REFUSED_STREAM as never, 1_000)
  const taking = await startRefusing(t, () => {}, 0)
  const { session } = await start(t, '', {
    url: undefined as never,
    endpoints: [refusing, taking].map(({ url }) => ({ url })) as never,
    balance: { policy: 'round-robin' } as never
  })
  for (let i = 0; i < 6; i++)
    t.equal((await exchange(session, { ':path': '/orders', ':method': 'POST' }, 'x')).status, 200)
})
