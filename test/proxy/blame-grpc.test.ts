import { once } from 'node:events'
import { createServer, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import forward from '../../plugins/forward.ts'
import grpc from '../../plugins/grpc.ts'
import { type Ending, startGateway } from '../harness.ts'
import { read, startSession, tls } from '../http2.ts'
import { until } from './service.ts'

/** When a missed deadline of a gRPC call is a failure of the service. */

const DEADLINE = 400
/** An empty message. */
const MESSAGE = Buffer.alloc(5)
const HEAD = { ':status': 200, 'content-type': 'application/grpc' }

async function start(t: Ending, answer: (stream: ServerHttp2Stream) => void) {
  const service = createServer()
  const sessions = new Set<{ destroy(): void }>()
  service.on('session', session => sessions.add(session))
  service.on('stream', (stream: ServerHttp2Stream) => {
    stream.on('error', () => {})
    answer(stream.resume())
  })
  service.listen(0, '127.0.0.1')
  await once(service, 'listening')
  t.teardown(() => {
    for (const session of sessions) session.destroy()
    service.close()
  })
  const upstream = 'things' as never
  const { url, gateway } = await startGateway(t, {
    listen: { tls, http2: true },
    deadline: DEADLINE,
    upstreams: {
      things: {
        url: `http://127.0.0.1:${(service.address() as AddressInfo).port}`,
        http2: true,
        breaker: { failures: 1 },
        retry: { attempts: 0 }
      }
    },
    scopes: {
      echo: {
        prefix: '/test.Echo',
        routes: async app => {
          await app.register(forward)
          await app.register(grpc)
          app.grpc({ url: '/*', upstream })
        }
      }
    }
  })
  const session = await startSession(t, url)
  return {
    state: () => gateway.upstream(upstream).state(),
    ask: (timeout?: string) =>
      session.request({
        ':method': 'POST',
        ':path': '/test.Echo/call',
        'content-type': 'application/grpc',
        te: 'trailers',
        ...(timeout && { 'grpc-timeout': timeout })
      })
  }
}

const blameless = { state: 'closed', failures: 0 }
const hang = () => {}

for (const timeout of ['5m', '100000u', '300m'])
  t.test(`a deadline of the client does not count as a failure: ${timeout}`, async t => {
    const { state, ask } = await start(t, hang)
    await Promise.all(Array.from({ length: 8 }, () => read(ask(timeout).end(MESSAGE))))
    await until(() => state().calls.running === 0)
    t.match(state().breaker, blameless)
  })

t.test('DEADLINE_EXCEEDED after the client’s deadline is no failure', async t => {
  const { state, ask } = await start(t, stream =>
    setTimeout(() => stream.respond({ ...HEAD, 'grpc-status': '4' }, { endStream: true }), 280)
  )
  await read(ask('300m').end(MESSAGE))
  await until(() => state().calls.running === 0)
  t.match(state().breaker, blameless)
})

t.test('DEADLINE_EXCEEDED before any deadline is a failure', async t => {
  const { state, ask } = await start(t, stream =>
    stream.respond({ ...HEAD, 'grpc-status': '4' }, { endStream: true })
  )
  await read(ask().end(MESSAGE))
  t.match(state().breaker, { state: 'open', failures: 1 })
  const other = await start(t, stream => stream.respond({ ...HEAD, 'grpc-status': '4' }, { endStream: true }))
  await read(other.ask('1H').end(MESSAGE))
  t.match(other.state().breaker, { state: 'open', failures: 1 })
})

t.test('a service that had the full time fails', async t => {
  const { state, ask } = await start(t, hang)
  await read(ask('1H').end(MESSAGE))
  await until(() => state().calls.running === 0)
  t.match(state().breaker, { state: 'open', failures: 1 })
})

t.test('late messages of the client are no failure of the service', async t => {
  const { state, ask } = await start(t, hang)
  const stream = ask()
  const answer = read(stream)
  stream.write(MESSAGE)
  await sleep(DEADLINE * 0.8)
  stream.end(MESSAGE)
  await answer
  await until(() => state().calls.running === 0)
  t.match(state().breaker, blameless)
})
