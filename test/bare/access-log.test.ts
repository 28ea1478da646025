import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { Agent, get } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import Fastify, { type FastifyServerOptions, LogController } from 'fastify'
import { accessLog, createLogger, problem, serverOptions } from 'sluice'
import t from 'tap'
import { call } from '../harness.ts'
import { until } from '../until.ts'
import { listen } from './app.ts'

const logController = new LogController({ disableRequestLogging: true })

function collect() {
  const entries: Record<string, unknown>[] = []
  return { entries, stream: { write: (line: string) => void entries.push(JSON.parse(line)) } }
}

for (const withProblem of [false, true])
  t.test(`accessLog logs through the app's own logger, with${withProblem ? '' : 'out'} problem`, async t => {
    const { entries, stream } = collect()
    const app = Fastify({ logger: { stream }, logController })
    if (withProblem) await app.register(problem)
    await app.register(accessLog)
    app.get('/users/:id', async () => 'ada')
    app.get('/fails', async () => {
      throw Object.assign(new Error('secret reason'), { statusCode: 503 })
    })
    app.get('/waits', () => new Promise(() => {}))
    const url = await listen(t, app)
    await call(`${url}/users/secret?token=secret`)
    await call(`${url}/fails`)
    await call(`${url}/nowhere`)
    const client = connect(Number(new URL(url).port), '127.0.0.1').on('error', () => {})
    client.write('GET /waits HTTP/1.1\r\nhost: a\r\n\r\n')
    await once(client, 'connect')
    await call(`${url}/users/1`)
    client.destroy()
    const exchanges = () => entries.filter(({ msg }) => String(msg).startsWith('exchange'))
    await until(() => exchanges().length === 5)
    t.same(
      exchanges().map(({ route, status, msg, abortReason }) => [route, status, msg, abortReason]),
      [
        ['/users/:id', 200, 'exchange', undefined],
        ['/fails', 503, 'exchange', undefined],
        [undefined, 404, 'exchange', undefined],
        ['/users/:id', 200, 'exchange', undefined],
        ['/waits', 499, 'exchange aborted', 'SLUICE_CLIENT_CLOSED_REQUEST']
      ]
    )
    const [first] = exchanges()
    t.match(first, { level: 30, clientAddress: undefined, bytesReceived: Number, durationMs: Number })
    t.same(Object.keys(first ?? {}).slice(0, 6), ['level', 'time', 'pid', 'hostname', 'reqId', 'trace'])
    t.equal(Object.keys(first ?? {}).at(-1), 'msg')
    t.notMatch(JSON.stringify(exchanges()), 'secret')
  })

t.test('accessLog writes the same members in the same order through both kinds of loggers', async t => {
  const file = join(t.testdir(), 'log')
  const { entries, stream } = collect()
  const logger = createLogger({ level: 'info', destination: file }) as NonNullable<
    ReturnType<typeof createLogger>
  >
  const start = async (options: FastifyServerOptions, own: Parameters<typeof accessLog>[1] = {}) => {
    const app = Fastify({ ...serverOptions(), ...options } as FastifyServerOptions)
    await app.register(accessLog, { path: true, clientAddress: true, redact: { names: ['pin'] }, ...own })
    app.get('/users/:id', async ({ log }) => {
      log.info('handled')
      return 'ada'
    })
    await call(`${await listen(t, app)}/users/1?pin=1234&page=2`)
  }
  await start({ logger: { stream } })
  await start({ loggerInstance: logger } as never)
  await start({}, { logger })
  const written = async () =>
    (await readFile(file, 'utf8'))
      .split('\n')
      .filter(Boolean)
      .map(line => JSON.parse(line))
  const exchanges = async () => (await written()).filter(({ msg }) => msg === 'exchange')
  await until(async () => (await exchanges()).length === 2)
  const expected = entries.find(({ msg }) => msg === 'exchange')
  t.match(expected, { path: '/users/1?pin=[redacted]&page=2', clientAddress: '127.0.0.1' })
  for (const entry of await exchanges()) {
    t.same(Object.keys(entry), Object.keys(expected ?? {}))
    t.match(entry, { level: 'info', path: '/users/1?pin=[redacted]&page=2', status: 200 })
    t.ok((await written()).some(({ msg, reqId }) => msg === 'handled' && reqId === entry.reqId))
  }
})

t.test('accessLog logs slow and failed exchanges whatever the sample', async t => {
  const { entries, stream } = collect()
  const app = Fastify({ logger: { stream }, logController })
  await app.register(accessLog, { sample: 0, slowThreshold: 50 })
  app.get('/fast', async () => 'ok')
  app.get('/slow', async () => new Promise(resolve => setTimeout(resolve, 60, 'ok')))
  const url = await listen(t, app)
  for (const path of ['/fast', '/slow', '/fast']) await call(url + path)
  await until(() => entries.some(({ route }) => route === '/slow'))
  await app.close()
  t.same(
    entries.filter(({ msg }) => msg === 'exchange').map(({ route }) => route),
    ['/slow']
  )
})

t.test('accessLog counts the bytes of an exchange without those of unlogged exchanges before it', async t => {
  const { entries, stream } = collect()
  const app = Fastify({ logger: { stream }, logController })
  await app.register(accessLog, { sample: 0 })
  app.get('/large', async () => 'x'.repeat(10_000))
  app.get('/fails', (_request, reply) => reply.code(500).send('no'))
  const { port } = new URL(await listen(t, app))
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  t.teardown(() => agent.destroy())
  for (const path of ['/large', '/large', '/fails'])
    await new Promise(resolve => get({ port, path, agent }, response => response.resume().on('end', resolve)))
  await until(() => entries.some(({ route }) => route === '/fails'))
  const failed = entries.find(({ route }) => route === '/fails')
  t.ok(Number(failed?.bytesSent) < 1_000, `${failed?.bytesSent} bytes`)
  t.equal(entries.filter(({ msg }) => msg === 'exchange').length, 1)
})

t.test('accessLog says which options are wrong, and that a logger is missing', async t => {
  const rejects = async (app: ReturnType<typeof Fastify>, options: object, message: RegExp) => {
    t.teardown(() => app.close())
    await t.rejects(Promise.resolve(app.register(accessLog, options)), { message })
  }
  await rejects(
    Fastify({ logger: true }),
    { slowTreshold: 5, sample: 2 },
    /accessLog: .*slowTreshold is not known; did you mean slowThreshold\?; .*sample must/
  )
  await rejects(
    Fastify(),
    {},
    /accessLog: the app has no logger; create it with Fastify\(\{ logger: true \}\)/
  )
})
