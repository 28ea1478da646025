import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { createServer, type ServerHttp2Stream } from 'node:http2'
import { connect } from 'node:net'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { type OverloadMonitor, overloadMonitor } from '../../../http/overload-monitor.ts'
import forward from '../../../plugins/forward.ts'
import grpc from '../../../plugins/grpc.ts'
import { call, closedPort, startService } from '../../harness.ts'
import { read, startSession, tls } from '../../http2.ts'
import { until } from '../../until.ts'
import { checkCause, sendRaw, startStage } from './staged.ts'

/** Stages causes that depend on the state of the gateway or its machine, and those of gRPC. */

const ok = async (app: FastifyInstance) => void app.get('/', async () => 'ok')
const idOf = (id: string) => ({ headers: { 'x-request-id': id } })

t.test('an overloaded gateway', async t => {
  const staged = await startStage(t, {
    overload: { maxEventLoopDelay: 100 },
    scopes: { low: { prefix: '/low', routes: ok, priority: 'low' } }
  })
  const overload = overloadMonitor(staged.gateway) as OverloadMonitor
  const timer = setInterval(() => {
    const end = performance.now() + 140
    while (performance.now() < end);
  }, 1)
  t.teardown(() => clearInterval(timer))
  while (overload.level === 0) await new Promise(resolve => setTimeout(resolve, 5))
  await call(`${staged.url}/low`, idOf('shed'))
  clearInterval(timer)
  await checkCause(t, staged, 'shed', { cause: 'overloaded', status: 503 })
})

t.test('limits that cannot be checked', async t => {
  const staged = await startStage(t, {
    redis: { url: (await closedPort()).replace('http', 'redis') },
    tiers: { strict: { limits: [{ limit: 10, window: 60_000 }], onRedisDown: 'closed' } },
    scopes: { limited: { prefix: '/limited', routes: ok, rateLimit: { address: 'strict' } } }
  })
  await call(`${staged.url}/limited`, idOf('unchecked'))
  await checkCause(t, staged, 'unchecked', { cause: 'limit-unavailable', status: 503 })
})

t.test('too many WebSockets', async t => {
  let asked = 0
  const hanging = await startService(t, () => {})
  const staged = await startStage(t, {
    upstreams: { feed: { url: hanging } },
    scopes: {
      sockets: {
        prefix: '/sockets',
        routes: async app => {
          app.addHook('preHandler', async () => void asked++)
          app.websocket({ url: '/feed', upstream: 'feed' as never, prefix: '', maxConnections: 1 })
        }
      }
    }
  })
  const handshake = (id: string) =>
    `GET /sockets/feed HTTP/1.1\r\nhost: g\r\nx-request-id: ${id}\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`
  const first = connect(Number(new URL(staged.url).port), '127.0.0.1')
  first.write(handshake('first'))
  await until(() => asked === 1)
  await sendRaw(staged.url, handshake('second'))
  first.destroy()
  await checkCause(t, staged, 'second', { cause: 'too-many-connections', status: 503 })
})

t.test('a gRPC call that ends with a failure', async t => {
  const service = createServer()
  const sessions = new Set<{ destroy(): void }>()
  service.on('session', session => sessions.add(session))
  service.on('stream', (stream: ServerHttp2Stream, { ':path': path }) => {
    stream.on('error', () => {})
    stream.resume()
    if (path === '/test.Echo/hang') return
    const status = path === '/test.Echo/unknown' ? '5' : '13'
    stream.respond(
      { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': status },
      { endStream: true }
    )
  })
  service.listen(0, '127.0.0.1')
  await once(service, 'listening')
  t.teardown(() => {
    for (const session of sessions) session.destroy()
    service.close()
  })
  const endpoint = `http://127.0.0.1:${(service.address() as { port: number }).port}`
  const staged = await startStage(t, {
    listen: { tls, http2: true },
    upstreams: { echo: { url: endpoint, http2: true, retry: { attempts: 0 } } },
    scopes: {
      echo: {
        prefix: '/test.Echo',
        routes: async app => {
          await app.register(forward)
          await app.register(grpc)
          app.grpc({ url: '/*', upstream: 'echo' as never })
        }
      }
    }
  })
  const session = await startSession(t, staged.url)
  const ask = async (method: string, headers: object = {}) => {
    const stream = session.request({
      ':method': 'POST',
      ':path': `/test.Echo/${method}`,
      'content-type': 'application/grpc',
      te: 'trailers',
      'x-request-id': method,
      ...headers
    })
    stream.end(Buffer.alloc(5))
    await read(stream)
  }
  const upstream = 'echo'
  await ask('fails')
  await checkCause(t, staged, 'fails', { cause: 'service-error', status: 200, upstream, endpoint })
  await ask('unknown')
  await checkCause(t, staged, 'unknown', { cause: 'service-rejected', status: 200, upstream, endpoint })
  await ask('hang', { 'grpc-timeout': '200m' })
  await checkCause(t, staged, 'hang', { cause: 'client-deadline-exceeded', status: 200, upstream, endpoint })
})

t.test('a process without a free descriptor', async t => {
  const endpoint = await startService(t, (_request, response) => response.end('ok'))
  const staged = await startStage(t, {
    upstreams: { orders: { url: endpoint, retry: { attempts: 0 } } },
    scopes: {
      orders: {
        prefix: '/orders',
        routes: async app => {
          await app.register(forward)
          app.forward({ method: 'GET', url: '/', upstream: 'orders' as never, prefix: '' })
        }
      },
      own: { prefix: '/own', routes: ok }
    }
  })
  const socket = connect(Number(new URL(staged.url).port), '127.0.0.1')
  t.teardown(() => socket.destroy())
  // The connection is accepted before the descriptors are used up.
  socket.write('GET /own HTTP/1.1\r\nhost: g\r\n\r\n')
  await once(socket, 'data')
  execFileSync('prlimit', ['--pid', String(process.pid), '--nofile=200:'])
  const opened: number[] = []
  const release = () => {
    for (const descriptor of opened.splice(0)) closeSync(descriptor)
  }
  t.teardown(release)
  try {
    for (;;) opened.push(openSync('/dev/null', 'r'))
  } catch {}
  socket.write('GET /orders HTTP/1.1\r\nhost: g\r\nx-request-id: exhausted\r\n\r\n')
  await once(socket, 'data')
  release()
  await checkCause(t, staged, 'exhausted', {
    cause: 'resources-exhausted',
    status: 502,
    detail: /EMFILE/,
    upstream: 'orders',
    endpoint
  })
})
