import { setTimeout as sleep } from 'node:timers/promises'
import Fastify, { type FastifyInstance } from 'fastify'
import { exchange, problem } from 'sluice'
import t from 'tap'
import { call } from '../harness.ts'
import { until } from '../until.ts'
import { listen } from './app.ts'

for (const withProblem of [false, true])
  t.test(
    `exchange ends a request at its deadline in a bare app, with${withProblem ? '' : 'out'} problem`,
    async t => {
      const app = Fastify()
      if (withProblem) await app.register(problem)
      await app.register(exchange, { deadline: 100 })
      const started: unknown[] = []
      const ended: unknown[] = []
      app.onExchangeStart(({ route }) => void started.push(route))
      app.onExchangeEnd(({ route, status, isComplete }) => void ended.push([route, status, isComplete]))
      app.get('/fast', async () => 'ok')
      app.get('/slow', () => sleep(10_000, 'late', { ref: false }))
      app.get('/own', { config: { deadline: 5_000 } }, () => sleep(200, 'ok'))
      const url = await listen(t, app)
      t.match(await call(`${url}/fast`), { status: 200, text: 'ok' })
      const late = await call(`${url}/slow`)
      t.equal(late.status, 504)
      t.match(
        late.json,
        withProblem ? { type: 'urn:sluice:deadline-exceeded' } : { code: 'SLUICE_DEADLINE_EXCEEDED' }
      )
      t.match(await call(`${url}/own`), { status: 200, text: 'ok' })
      await until(() => ended.length === 3)
      t.same(started, ['/fast', '/slow', '/own'])
      t.same(ended, [
        ['/fast', 200, true],
        ['/slow', 504, true],
        ['/own', 200, true]
      ])
    }
  )

t.test('listeners hear the exchanges of their scope, inner scopes included', async t => {
  const app = Fastify()
  await app.register(exchange)
  const heard: [scope: string, phase: string, route: string | undefined][] = []
  const listener = async (scope: FastifyInstance) => {
    scope.onExchangeStart(({ route }) => void heard.push([scope.prefix, 'start', route]))
    scope.onExchangeEnd(({ route }) => void heard.push([scope.prefix, 'end', route]))
    scope.get('/', async () => 'ok')
  }
  await app.register(
    async scope => {
      await listener(scope)
      await scope.register(async inner => void inner.get('/inner', async () => 'ok'))
    },
    { prefix: '/a' }
  )
  await app.register(listener, { prefix: '/b' })
  app.get('/', async () => 'ok')
  const url = await listen(t, app)
  for (const path of ['/a', '/b', '/', '/none', '/a/inner']) await call(url + path)
  await until(() => heard.length === 6)
  t.same(heard, [
    ['/a', 'start', '/a'],
    ['/a', 'end', '/a'],
    ['/b', 'start', '/b'],
    ['/b', 'end', '/b'],
    ['/a', 'start', '/a/inner'],
    ['/a', 'end', '/a/inner']
  ])
})

t.test('an injected request is complete once it is answered', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(exchange, { deadline: 100 })
  const ended: unknown[] = []
  app.onExchangeEnd(
    ({ status, isComplete, abortReason }) => void ended.push([status, isComplete, abortReason])
  )
  app.get('/', async () => 'ok')
  app.get('/cut', (_request, reply) => {
    reply.hijack()
    reply.raw.write('begin')
    reply.raw.destroy()
  })
  t.equal((await app.inject('/')).body, 'ok')
  await app.inject('/cut').catch(() => {})
  await until(() => ended.length === 2)
  t.match(ended, [
    [200, true, undefined],
    [200, false, { code: 'SLUICE_CLIENT_CLOSED_REQUEST' }]
  ])
})

t.test('exchange says which options are wrong', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(Promise.resolve(app.register(exchange, { deadline: 0, trace: { samples: 1 } } as never)), {
    message: /exchange: .*deadline.*samples is not known/
  })
})

t.test('an error of a listener is logged, and concerns neither the exchange nor the process', async t => {
  const lines: string[] = []
  const app = Fastify({ logger: { level: 'error', stream: { write: line => void lines.push(line) } } })
  await app.register(exchange)
  const ended: unknown[] = []
  app.onExchangeStart(() => {
    throw new Error('broken at the start')
  })
  app.onExchangeEnd(() => {
    throw new Error('broken at the end')
  })
  app.onExchangeEnd(({ status }) => void ended.push(status))
  app.get('/', async () => 'ok')
  const url = await listen(t, app)
  t.match(await call(url), { status: 200, text: 'ok' })
  await until(() => ended.length === 1)
  t.match(
    lines.map(line => JSON.parse(line)),
    [
      { msg: 'listener failed', err: { message: 'broken at the start' } },
      { msg: 'listener failed', err: { message: 'broken at the end' } }
    ]
  )
})
