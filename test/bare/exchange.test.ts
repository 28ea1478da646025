import { setTimeout as sleep } from 'node:timers/promises'
import Fastify from 'fastify'
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

t.test('exchange says which options are wrong', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(Promise.resolve(app.register(exchange, { deadline: 0, trace: { samples: 1 } } as never)), {
    message: /exchange: .*deadline.*samples is not known/
  })
})
