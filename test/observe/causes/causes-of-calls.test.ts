import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import { Type } from 'typebox'
import compose from '../../../plugins/compose.ts'
import forward from '../../../plugins/forward.ts'
import transform from '../../../plugins/transform.ts'
import { call, closedPort, startService, startTcpService } from '../../harness.ts'
import { ca, tls } from '../../http2.ts'
import { until } from '../../until.ts'
import { checkCause, type Expected, type Staged, startStage } from './staged.ts'

/** Stages a failure of a service, or of the connection to it, for each cause. */

const Order = Type.Object({ items: Type.Array(Type.Object({ price: Type.Number() })) })
const toOrders = { method: 'GET' as const, path: '/orders' }

const warningsOf = ({ entries }: Staged) => entries.filter(({ level }) => level === 40).map(({ msg }) => msg)

t.test('each failed call of a service has its cause', { timeout: 60_000 }, async t => {
  const refused = await closedPort()
  const hanging = await startService(t, () => {})
  const silent = await startTcpService(t, () => {})
  const resetting = await startTcpService(t, socket => socket.destroy())
  const garbage = await startTcpService(t, socket => socket.end('SIP/2.0 200 OK\r\n\r\n'))
  const failing = await startService(t, (_request, response) => response.writeHead(500).end('secret'))
  const rejecting = await startService(t, (_request, response) => response.writeHead(409).end('secret'))
  const wrong = await startService(t, (_request, response) =>
    response.end(JSON.stringify({ items: [{ price: 'secret' }] }))
  )
  const noJson = await startService(t, (_request, response) => response.end('secret'))
  const large = await startService(t, (_request, response) => response.end('x'.repeat(2_000)))
  const broken = await startService(t, (_request, response) => {
    response.writeHead(200, { 'content-length': '200000' })
    response.write(Buffer.alloc(100_000), () => response.destroy())
  })
  const stalling = await startService(t, (_request, response) => {
    response.writeHead(200, { 'content-length': '200000' })
    response.write('x'.repeat(100_000))
  })
  const secure = createServer(tls, (_request, response) => response.end('{}')).listen(0)
  await once(secure, 'listening')
  t.teardown(() => secure.close())
  const securePort = (secure.address() as AddressInfo).port
  const options = { retry: { attempts: 0 }, breaker: { failures: 1_000 } }
  const forwarded: Record<string, { upstream: Record<string, unknown>; expected: Expected }> = {
    refused: {
      upstream: { url: refused },
      expected: {
        cause: 'connection-refused',
        status: 502,
        detail: /^connect ECONNREFUSED/,
        endpoint: refused
      }
    },
    unreachable: {
      upstream: { url: 'http://255.255.255.255' },
      expected: {
        cause: 'unreachable',
        status: 502,
        detail: /ENETUNREACH/,
        endpoint: 'http://255.255.255.255'
      }
    },
    'no-handshake': {
      upstream: { url: silent.replace('http', 'https'), connectTimeout: 100 },
      expected: { cause: 'connect-timeout', status: 504, endpoint: silent.replace('http', 'https') }
    },
    'no-name': {
      upstream: { url: 'http://orders.invalid' },
      expected: {
        cause: 'dns-failed',
        status: 502,
        detail: /orders\.invalid/,
        endpoint: 'http://orders.invalid'
      }
    },
    untrusted: {
      upstream: { url: `https://localhost:${securePort}` },
      expected: {
        cause: 'tls-failed',
        status: 502,
        detail: /certificate/,
        endpoint: `https://localhost:${securePort}`
      }
    },
    'other-host': {
      upstream: { url: `https://127.0.0.1:${securePort}`, tls: { ca } },
      expected: {
        cause: 'tls-failed',
        status: 502,
        detail: /altnames/,
        endpoint: `https://127.0.0.1:${securePort}`
      }
    },
    'no-tls': {
      upstream: { url: hanging.replace('http', 'https') },
      expected: {
        cause: 'tls-failed',
        status: 502,
        detail: /wrong version number/,
        endpoint: hanging.replace('http', 'https')
      }
    },
    resetting: {
      upstream: { url: resetting },
      expected: {
        cause: 'connection-reset',
        status: 502,
        detail: /other side closed|ECONN/,
        endpoint: resetting
      }
    },
    broken: {
      upstream: { url: broken },
      expected: { cause: 'connection-reset', status: 200, detail: /./, endpoint: broken }
    },
    hanging: {
      upstream: { url: hanging, timeout: 100 },
      expected: { cause: 'response-timeout', status: 504, endpoint: hanging }
    },
    stalling: {
      upstream: { url: stalling, idleTimeout: 100 },
      expected: { cause: 'idle-timeout', status: 200, endpoint: stalling }
    },
    garbage: {
      upstream: { url: garbage },
      expected: { cause: 'invalid-response', status: 502, detail: /SIP/, endpoint: garbage }
    },
    failing: {
      upstream: { url: failing },
      expected: { cause: 'service-error', status: 500, endpoint: failing }
    },
    rejecting: {
      upstream: { url: rejecting },
      expected: { cause: 'service-rejected', status: 409, endpoint: rejecting }
    }
  }
  const transformed: typeof forwarded = {
    wrong: {
      upstream: { url: wrong },
      expected: {
        cause: 'invalid-response',
        status: 502,
        detail: /^\/items\/0\/price must be number$/,
        endpoint: wrong
      }
    },
    'no-json': {
      upstream: { url: noJson },
      expected: {
        cause: 'invalid-response',
        status: 502,
        detail: /^the content is not JSON$/,
        endpoint: noJson
      }
    },
    large: {
      upstream: { url: large, maxBody: 1_000 },
      expected: { cause: 'response-too-large', status: 502, detail: /1000 bytes/, endpoint: large }
    },
    'transformed-failing': {
      upstream: { url: failing },
      expected: { cause: 'service-error', status: 500, endpoint: failing }
    },
    'transformed-rejecting': {
      upstream: { url: rejecting },
      expected: { cause: 'service-rejected', status: 409, endpoint: rejecting }
    }
  }
  const all = { ...forwarded, ...transformed }
  const staged = await startStage(t, {
    upstreams: Object.fromEntries(
      Object.entries(all).map(([name, { upstream }]) => [name, { ...options, ...upstream }])
    ) as never,
    scopes: Object.fromEntries(
      Object.keys(all).map(name => [
        name,
        {
          prefix: `/${name}`,
          routes: async (app: FastifyInstance) => {
            await app.register(forward)
            await app.register(transform)
            if (name in forwarded)
              app.forward({ method: 'GET', url: '/', upstream: name as never, prefix: '/orders' })
            else
              app.transform({
                method: 'GET',
                url: '/',
                upstream: name as never,
                upstreamResponse: Order,
                response: Order,
                toUpstream: () => toOrders,
                toClient: order => order
              })
          }
        }
      ])
    )
  })
  await Promise.all(
    Object.entries(all).map(async ([name, { expected }]) => {
      const answer = await call(`${staged.url}/${name}`, { headers: { 'x-request-id': name } }).catch(
        () => undefined
      )
      await checkCause(t, staged, name, { ...expected, upstream: name })
      for (const text of ['ECONN', '127.0.0.1', '/items/0', 'SIP'])
        t.notOk(answer?.text.includes(text), `${name}: clients do not see ${text}`)
      const [endpoint] = staged.gateway.upstream(name as never).state().endpoints
      const isFailure = expected.cause !== 'service-rejected'
      t.equal(endpoint?.lastError?.cause, isFailure ? expected.cause : undefined, `${name}: lastError`)
    })
  )
  const aborted = staged.entries.filter(({ msg }) => msg === 'exchange aborted')
  t.same(aborted.map(({ reqId, abortReason }) => [reqId, abortReason]).sort(), [
    ['broken', 'SLUICE_UPSTREAM_FAILED'],
    ['stalling', 'SLUICE_UPSTREAM_TIMEOUT']
  ])
  const warnings = warningsOf(staged)
  for (const wanted of [
    `upstream "refused": endpoint ${refused} refused the connection`,
    `upstream "hanging": endpoint ${hanging} took too long to respond`,
    `upstream "wrong": endpoint ${wrong} sent an invalid response`
  ])
    t.ok(warnings.includes(wanted), wanted)
  for (const { causeDetail } of staged.entries) t.notMatch(String(causeDetail), 'secret')
})

t.test('a call that its gateway rejects has its cause, and no endpoint', async t => {
  const failing = await startService(t, (_request, response) => response.writeHead(500).end())
  const waiting: ServerResponse[] = []
  const slow = await startService(t, (_request, response) => void waiting.push(response))
  const stalling = await startService(t, (_request, response) => {
    response.writeHead(200, { 'content-length': '200000' })
    response.write('x'.repeat(100_000))
  })
  const routes = (upstream: string) => async (app: FastifyInstance) => {
    await app.register(forward)
    app.forward({ method: 'GET', url: '/', upstream: upstream as never, prefix: '' })
  }
  const staged = await startStage(t, {
    upstreams: {
      opening: { url: failing, breaker: { failures: 1 } },
      full: { url: slow, concurrency: { max: 1, queue: 0 } },
      busy: { url: stalling, connections: 1, concurrency: { max: 2 }, timeout: 200 },
      drained: { url: slow },
      ejected: { url: slow, retry: { attempts: 0 } }
    },
    scopes: Object.fromEntries(
      ['opening', 'full', 'busy', 'drained', 'ejected'].map(name => [
        name,
        { prefix: `/${name}`, routes: routes(name) }
      ])
    )
  })
  const ask = (name: string, id: string) => call(`${staged.url}/${name}`, { headers: { 'x-request-id': id } })
  await ask('opening', 'opens')
  await ask('opening', 'open')
  await checkCause(t, staged, 'open', { cause: 'breaker-open', status: 503, upstream: 'opening' })
  const { breaker } = staged.gateway.upstream('opening' as never).state()
  t.match(breaker.history, [{ at: /Z$/, state: 'open', cause: 'service-error' }])
  t.match(warningsOf(staged), ['upstream "opening": the breaker is open after service-error'])

  const first = ask('full', 'first')
  await until(() => waiting.length === 1)
  await ask('full', 'full')
  await checkCause(t, staged, 'full', { cause: 'bulkhead-full', status: 503, upstream: 'full' })
  waiting[0]?.end()
  await first

  const controller = new AbortController()
  await fetch(`${staged.url}/busy`, { signal: controller.signal })
  await ask('busy', 'queued')
  controller.abort()
  await checkCause(t, staged, 'queued', {
    cause: 'connect-timeout',
    status: 504,
    detail: /^all connections were in use$/,
    upstream: 'busy',
    endpoint: stalling
  })

  const action = { id: '1', startedAt: '', until: '2100-01-01T00:00:00Z', by: 'ada', endpoint: slow } as const
  staged.gateway.upstream('drained' as never).act([{ ...action, upstream: 'drained', action: 'drain' }])
  await ask('drained', 'drained')
  await checkCause(t, staged, 'drained', {
    cause: 'no-endpoint',
    status: 503,
    detail: /operator/,
    upstream: 'drained'
  })
  const count = waiting.length
  const ended = ask('ejected', 'ejected')
  await until(() => waiting.length > count)
  staged.gateway.upstream('ejected' as never).act([{ ...action, upstream: 'ejected', action: 'eject' }])
  await ended
  await checkCause(t, staged, 'ejected', {
    cause: 'cancelled',
    status: 502,
    detail: /operator ejected/,
    upstream: 'ejected',
    endpoint: slow
  })
})

t.test('a deadline, a disconnect and a stop have the endpoint that had not responded', async t => {
  let asked = 0
  const hanging = await startService(t, () => void asked++)
  const routes = (deadline: number) => async (app: FastifyInstance) => {
    await app.register(forward)
    app.forward({ method: 'GET', url: '/', upstream: 'orders' as never, prefix: '', config: { deadline } })
  }
  const staged = await startStage(t, {
    upstreams: { orders: { url: hanging } },
    scopes: {
      late: { prefix: '/late', routes: routes(200) },
      normal: { prefix: '/normal', routes: routes(30_000) },
      endless: { prefix: '/endless', routes: routes(0) }
    }
  })
  const upstream = 'orders'
  await call(`${staged.url}/late`, { headers: { 'x-request-id': 'late' } })
  await checkCause(t, staged, 'late', {
    cause: 'deadline-exceeded',
    status: 504,
    upstream,
    endpoint: hanging
  })

  const socket = connect(Number(new URL(staged.url).port), '127.0.0.1')
  socket.write('GET /normal HTTP/1.1\r\nhost: gateway\r\nx-request-id: aborted\r\n\r\n')
  await until(() => asked === 2)
  socket.destroy()
  await checkCause(t, staged, 'aborted', {
    cause: 'client-aborted',
    status: 499,
    upstream,
    endpoint: hanging
  })

  const stopped = call(`${staged.url}/endless`, { headers: { 'x-request-id': 'stopped' } })
  await until(() => asked === 3)
  staged.gateway.endStreams(1)
  await stopped
  await checkCause(t, staged, 'stopped', { cause: 'stopping', status: 503, upstream, endpoint: hanging })
})

t.test('a retried exchange that ends well, and one without an optional part, have no cause', async t => {
  let calls = 0
  const flaky = await startService(t, (_request, response) => {
    response.writeHead(++calls === 1 ? 503 : 200).end('{}')
  })
  const refused = await closedPort()
  const staged = await startStage(t, {
    upstreams: {
      flaky: { url: flaky, retry: { attempts: 1, on: [503] } },
      refused: { url: refused, retry: { attempts: 0 } }
    },
    scopes: {
      retried: {
        prefix: '/retried',
        routes: async app => {
          await app.register(forward)
          app.forward({ method: 'GET', url: '/', upstream: 'flaky' as never, prefix: '' })
        }
      },
      composed: {
        prefix: '/composed',
        routes: async app => {
          await app.register(compose)
          const part = (upstream: string, required: boolean) => ({
            upstream: upstream as never,
            path: () => '/',
            upstreamResponse: Type.Object({}),
            required
          })
          app.compose({
            url: '/',
            parts: { order: part('flaky', true), offer: part('refused', false) },
            response: Type.Any(),
            toClient: ({ order }) => ({ order })
          })
          app.compose({
            url: '/required',
            parts: { order: part('flaky', false), offer: part('refused', true) },
            response: Type.Any(),
            toClient: ({ order }) => ({ order })
          })
        }
      }
    }
  })
  const attempts: [string | undefined, string | undefined][] = []
  staged.gateway.onAttemptEnd(({ part, cause }) => attempts.push([part, cause]))
  t.equal((await call(`${staged.url}/retried`)).status, 200)
  t.equal((await call(`${staged.url}/composed`)).status, 200)
  await until(() => staged.entries.filter(({ msg }) => msg === 'exchange').length === 2)
  for (const entry of staged.entries.filter(({ msg }) => msg === 'exchange')) {
    t.notOk('cause' in entry)
    t.notOk('causeDetail' in entry)
  }
  t.match(warningsOf(staged), [
    `upstream "refused": endpoint ${refused} refused the connection; part "offer" is missing`
  ])
  t.same(attempts.slice(0, 2), [
    [undefined, 'service-error'],
    [undefined, undefined]
  ])
  t.same(attempts.slice(2).sort(), [
    ['offer', 'connection-refused'],
    ['order', undefined]
  ])
  await call(`${staged.url}/composed/required`, { headers: { 'x-request-id': 'required' } })
  await checkCause(t, staged, 'required', {
    cause: 'connection-refused',
    status: 502,
    detail: /ECONNREFUSED/,
    upstream: 'refused',
    endpoint: refused
  })
})
