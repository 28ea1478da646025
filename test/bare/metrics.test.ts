import Fastify from 'fastify'
import { metrics, problem, upstreams } from 'sluice'
import t from 'tap'
import { call } from '../harness.ts'
import { listen } from './app.ts'

for (const withProblem of [false, true])
  t.test(
    `metrics counts exchanges and serves them in a bare app, with${withProblem ? '' : 'out'} problem`,
    async t => {
      const app = Fastify()
      if (withProblem) await app.register(problem)
      await app.register(metrics, { path: '/metrics' })
      app.get('/users/:id', async () => 'ada')
      app.get('/fails', async () => {
        throw new Error('no')
      })
      const url = await listen(t, app)
      await call(`${url}/users/1`)
      await call(`${url}/users/2`)
      await call(`${url}/fails`)
      await call(`${url}/nowhere`)
      const { headers, text } = await call(`${url}/metrics`)
      t.match(headers.get('content-type'), 'text/plain; version=0.0.4')
      const count = (route: string, method: string, status: string) =>
        Number(
          new RegExp(
            `^sluice_exchange_duration_seconds_count\\{route="${route}",scope="",version="",method="${method}",status="${status}"\\} (.*)$`,
            'm'
          ).exec(text)?.[1]
        )
      t.equal(count('/users/:id', 'GET', '2xx'), 2)
      t.equal(count('/fails', 'GET', '5xx'), 1)
      t.equal(count('none', 'other', '4xx'), 1)
      t.match(text, /^sluice_connections [1-9]/m)
      t.notMatch(text, 'sluice_redis_up')
    }
  )

t.test(
  'metrics offers a registry, has no route by default, and sees plugins that are registered later',
  async t => {
    const app = Fastify()
    await app.register(metrics)
    await app.register(upstreams, { upstreams: { orders: { url: 'http://127.0.0.1:1' } } })
    app.get('/own', async (_request, reply) => {
      reply.type(app.metrics?.contentType ?? '')
      return app.metrics?.metrics()
    })
    const url = await listen(t, app)
    t.equal((await call(`${url}/metrics`)).status, 404)
    t.match((await call(`${url}/own`)).text, 'sluice_breaker_state{upstream="orders"} 0')
  }
)

t.test('metrics says which options are wrong', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(Promise.resolve(app.register(metrics, { path: 'metrics', port: 1 } as never)), {
    message: /metrics: .*\/port is not known; \/path must match/
  })
})
