import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { constants, readFileSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { FastifyBaseLogger } from 'fastify'
import t from 'tap'
import { buildGateway, resolveConfig } from '../../gateway.ts'
import { createLogger } from '../../plugins/log.ts'
import { products } from '../../routes/products.ts'
import { call, startService } from '../harness.ts'

t.test('every exchange has one line, whole or cut short, refused or not, and none has a path', async t => {
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
  const gateway = await buildGateway(resolveConfig({ default: definition }, {}), createLogger('info', file))
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

  const lines = () =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter(line => line.includes('"exchange'))
      .map(line => JSON.parse(line))
  while (lines().length < 5) await new Promise(resolve => setTimeout(resolve, 20))
  t.equal(lines().length, 5)
  const seen = lines().map(({ route, status, msg, cut }) => [route, status, msg, cut])
  const has = (...line: unknown[]) =>
    t.ok(
      seen.some(one => JSON.stringify(one) === JSON.stringify(line)),
      JSON.stringify(line)
    )
  has('/products/:id', 200, 'exchange', undefined)
  has('/products', 200, 'exchange', undefined)
  has('/products/:id', 499, 'exchange cut short', 'SLUICE_CLIENT_GONE')
  has('/products', 429, 'exchange', undefined)
  has(undefined, 404, 'exchange', undefined)
  t.match(lines()[0], { reqId: 'mine', method: 'GET', ms: Number })
  t.notMatch(readFileSync(file, 'utf8'), /secret/)
})

t.test('a destination that stands still loses lines, counted, and is not waited for', async t => {
  const pipe = join(tmpdir(), `sluice-${process.pid}.pipe`)
  execFileSync('mkfifo', [pipe])
  t.teardown(() => rmSync(pipe))
  // Open at both ends, and not read as yet.
  const reader = await open(pipe, constants.O_RDWR)
  const logger = createLogger('info', pipe) as FastifyBaseLogger
  const before = process.memoryUsage().rss
  const text = 'x'.repeat(1_000)
  const total = 40_000
  for (let i = 1; i <= total; i++) {
    logger.info({ i, text })
    if (i % 1_000 === 0) await new Promise(setImmediate)
  }
  t.ok(process.memoryUsage().rss - before < 64 * 2 ** 20, 'memory is bounded')

  const stream = reader.createReadStream()
  t.teardown(() => stream.destroy())
  let written = 0
  for await (const line of createInterface(stream)) {
    const { msg, i, dropped } = JSON.parse(line)
    if (i !== undefined) written++
    if (msg !== 'lines were lost') continue
    t.equal(written + dropped, total, 'each line is there or counted')
    break
  }
})
