import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { constants, readFileSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { FastifyBaseLogger, FastifyInstance, FastifyRequest } from 'fastify'
import t from 'tap'
import { resolveConfig } from '../../config/resolve-config.ts'
import { buildGateway } from '../../gateway.ts'
import { createLogger, type GatewayLogger } from '../../observe/logger.ts'
import { products } from '../../routes/products.ts'
import { call, startService } from '../harness.ts'
import { until } from '../until.ts'

t.test('every exchange has one entry, complete or aborted, rejected or not, and none has a path', async t => {
  const service = await startService(t, (request, response) => {
    if (request.url === '/products/slow') return
    response.end('ok')
  })
  const file = join(tmpdir(), `sluice-${process.pid}.log`)
  t.teardown(() => rmSync(file))
  const definition = {
    upstreams: { products: { url: service } },
    tiers: { twice: { limits: [{ limit: 3, window: 60_000 }] } },
    scopes: { products: { prefix: '/products', routes: products, rateLimit: { address: 'twice' } } }
  }
  const gateway = await buildGateway(
    resolveConfig({ default: definition }, {}),
    createLogger({ level: 'info', destination: file })
  )
  t.teardown(() => gateway.close())
  const url = await gateway.listen({ port: 0, host: '127.0.0.1' })

  await call(`${url}/products/secret-id?token=secret`, { headers: { 'x-request-id': 'mine' } })
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.write('GET /products/slow HTTP/1.1\r\nhost: g\r\n\r\n')
  await once(socket, 'connect')
  await call(`${url}/products`)
  socket.destroy()
  await call(`${url}/products`)
  await call(`${url}/nowhere`)

  const entries = () =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter(line => line.includes('"exchange'))
      .map(line => JSON.parse(line))
  while (entries().length < 5) await new Promise(resolve => setTimeout(resolve, 20))
  t.equal(entries().length, 5)
  const seen = entries().map(({ route, status, msg, abortReason }) => [route, status, msg, abortReason])
  const has = (...line: unknown[]) =>
    t.ok(
      seen.some(one => JSON.stringify(one) === JSON.stringify(line)),
      JSON.stringify(line)
    )
  has('/products/:id', 200, 'exchange', undefined)
  has('/products', 200, 'exchange', undefined)
  has('/products/:id', 499, 'exchange aborted', 'SLUICE_CLIENT_CLOSED_REQUEST')
  has('/products', 429, 'exchange', undefined)
  has(undefined, 404, 'exchange', undefined)
  t.match(entries()[0], { reqId: 'mine', method: 'GET', durationMs: Number })
  t.notMatch(readFileSync(file, 'utf8'), /secret/)
})

t.test(
  'a destination that accepts nothing costs entries, which are counted, and is not waited for',
  async t => {
    const pipe = join(tmpdir(), `sluice-${process.pid}.pipe`)
    execFileSync('mkfifo', [pipe])
    t.teardown(() => rmSync(pipe))
    // Open at both ends, and not read yet.
    const reader = await open(pipe, constants.O_RDWR)
    const logger = createLogger({ level: 'info', destination: pipe }) as FastifyBaseLogger
    const before = process.memoryUsage().arrayBuffers
    const text = 'x'.repeat(1_000)
    const total = 40_000
    for (let i = 1; i <= total; i++) {
      logger.info({ i, text })
      if (i % 1_000 === 0) await new Promise(setImmediate)
    }
    t.ok(process.memoryUsage().arrayBuffers - before < 8 * 2 ** 20, 'memory is bounded')

    const stream = reader.createReadStream()
    t.teardown(() => stream.destroy())
    let written = 0
    for await (const line of createInterface(stream)) {
      const { msg, i, dropped } = JSON.parse(line)
      if (i !== undefined) written++
      if (msg !== 'entries were dropped') continue
      t.equal(written + dropped, total, 'each line is there or counted')
      break
    }
  }
)

t.test('a gateway whose log is full keeps responding and needs no more memory', async t => {
  const pipe = join(tmpdir(), `sluice-gateway-${process.pid}.pipe`)
  execFileSync('mkfifo', [pipe])
  t.teardown(() => rmSync(pipe))
  const reader = await open(pipe, constants.O_RDWR)
  t.teardown(() => reader.close())
  const service = await startService(t, (_request, response) => void response.end('ok'))
  const definition = {
    upstreams: { products: { url: service } },
    scopes: { products: { prefix: '/products', routes: products } }
  }
  const logger = createLogger({ level: 'info', destination: pipe }) as GatewayLogger
  const gateway = await buildGateway(resolveConfig({ default: definition }, {}), logger)
  t.teardown(() => gateway.close())
  const url = await gateway.listen({ port: 0, host: '127.0.0.1' })
  // More than the backlog holds.
  for (let i = 0; i < 10_000; i++) {
    logger.info('x'.repeat(1_000))
    if (i % 100 === 0) await new Promise(setImmediate)
  }
  t.ok(logger.dropped() > 0)
  const before = process.memoryUsage().arrayBuffers
  const lost = logger.dropped()
  for (let i = 0; i < 1_000; i++) t.equal((await call(`${url}/products`)).status, 200)
  t.ok(process.memoryUsage().arrayBuffers - before < 8 * 2 ** 20)
  for (let i = 0; logger.dropped() === lost && i < 100; i++)
    await new Promise(resolve => setTimeout(resolve, 50))
  t.ok(logger.dropped() > lost, 'dropped entries are counted')
  t.equal(gateway.droppedLogEntries?.(), logger.dropped())
})

t.test('a route’s logger has the route’s own level and serializers', async t => {
  const file = join(tmpdir(), `sluice-serializers-${process.pid}.log`)
  t.teardown(() => rmSync(file))
  const mask = (word: string) => ({ word: () => word })
  const handler = async ({ log }: FastifyRequest) => {
    log.debug({ word: 'secret', headers: { authorization: 'Bearer x' } }, 'said')
    return {}
  }
  const definition = {
    scopes: {
      words: {
        prefix: '/words',
        routes: async (app: FastifyInstance) => {
          app.get('/own', { logLevel: 'debug', logSerializers: mask('own') }, handler)
          app.get('/plain', { logLevel: 'debug' }, handler)
          app.get('/silent', handler)
          await app.register(
            async inner => {
              inner.get('/inherited', handler)
            },
            { logLevel: 'debug', logSerializers: mask('inherited') }
          )
        }
      }
    }
  }
  const config = resolveConfig({ default: definition }, {})
  const gateway = await buildGateway(
    config,
    createLogger({ level: 'info', destination: file, redact: config.redact })
  )
  const url = await gateway.listen({ port: 0, host: '127.0.0.1' })
  for (const path of ['own', 'plain', 'silent', 'inherited'])
    t.equal((await call(`${url}/words/${path}`)).status, 200)
  await gateway.close()
  const said = () =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter(line => line.includes('"said"'))
  await until(() => said().length === 3)
  t.same(
    said().map(line => JSON.parse(line).word),
    ['own', 'secret', 'inherited']
  )
  t.notMatch(said().join(), 'Bearer', 'the gateway’s own still hold')
})

t.test('a share of the exchanges is logged, and all failed and slow ones', async t => {
  const service = await startService(t, (request, response) => {
    if (request.url === '/products/slow') setTimeout(() => response.end(), 1_100)
    else response.writeHead(request.url === '/products/bad' ? 500 : 200).end()
  })
  const file = join(tmpdir(), `sluice-sample-${process.pid}.log`)
  t.teardown(() => rmSync(file))
  const entries = async (sample: number, slowThreshold: number, paths: string[]) => {
    const gateway = await buildGateway(
      resolveConfig(
        {
          default: {
            log: { sample, slowThreshold },
            upstreams: { products: { url: service, breaker: { failures: 1_000 } } },
            scopes: { products: { prefix: '/products', routes: products } }
          }
        },
        {}
      ),
      createLogger({ level: 'info', destination: file })
    )
    const url = await gateway.listen({ port: 0, host: '127.0.0.1' })
    for (const path of paths) await call(`${url}/products/${path}`)
    await gateway.close()
    await new Promise(resolve => setTimeout(resolve, 500))
    return readFileSync(file, 'utf8')
      .split('\n')
      .filter(line => line.includes('"exchange"'))
      .map(line => JSON.parse(line))
  }
  const kept = await entries(0, 1_000, ['good', 'bad', 'slow', 'good', 'bad'])
  t.same(
    kept.map(({ status, sample }) => [status, sample]),
    [
      [500, undefined],
      [200, undefined],
      [500, undefined]
    ]
  )
  const some = await entries(
    0.5,
    60_000,
    Array.from({ length: 200 }, () => 'good')
  )
  const share = some.filter(({ sample }) => sample === 0.5).length
  t.ok(share > 50 && share < 150, `${share} of 200`)
})

t.test(
  'an entry has the values of its own exchange, even with more outcomes per route than are cached',
  async t => {
    const SLOW = 451
    const service = await startService(t, (request, response) => {
      const status = Number((request.url as string).slice(-3))
      response.writeHead(status)
      setTimeout(() => response.end(), status === SLOW ? 300 : 0)
    })
    const file = join(t.testdir(), 'log')
    const definition = {
      upstreams: { products: { url: service } },
      tiers: { few: { limits: [{ limit: 30, window: 60_000 }] } },
      scopes: { products: { prefix: '/products', routes: products, rateLimit: { address: 'few' } } }
    }
    const gateway = await buildGateway(
      resolveConfig({ default: definition }, {}),
      createLogger({ level: 'info', destination: file })
    )
    t.teardown(() => gateway.close())
    const url = await gateway.listen({ port: 0, host: '127.0.0.1' })
    // More outcomes than are cached, each once more after it was forgotten.
    const statuses = Array.from({ length: 12 }, (_, i) => 440 + i)
    const sent = [...statuses, 200, 200, ...statuses, 200, 200, 404, 404, 200]
    for (const status of sent) await call(`${url}/products/${status}`)
    const entries = () => readFileSync(file, 'utf8').split('\n').slice(0, -1)
    await until(() => entries().length >= sent.length)
    const exchanges = entries()
      .map(line => JSON.parse(line))
      .filter(({ msg }) => msg === 'exchange')
    t.same(
      exchanges.map(({ status, limit, upstream, attempts }) => [status, limit, upstream, attempts]),
      sent.map((status, i) =>
        i < 30 ? [status, 'allowed', 'products', 1] : [429, 'rejected', undefined, undefined]
      )
    )
    const slow = exchanges.filter(({ status }) => status === SLOW)
    t.equal(slow.length, 2)
    for (const { durationMs, queueMs, upstreamMs, sendMs } of slow) {
      t.ok(durationMs >= 290 && durationMs < 5_000, `${durationMs} ms`)
      const sum = queueMs + upstreamMs + sendMs
      t.ok(Math.abs(sum - durationMs) < 0.01, `${queueMs} + ${upstreamMs} + ${sendMs}`)
    }
  }
)
