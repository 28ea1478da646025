import Fastify from 'fastify'
import { overload, problem } from 'sluice'
import t from 'tap'
import { call } from '../harness.ts'
import { listen } from './app.ts'

t.test('overload rejects requests of its scope while the event loop is late', async t => {
  for (const withProblem of [false, true]) {
    const app = Fastify()
    if (withProblem) await app.register(problem)
    await app.register(
      async scope => {
        await scope.register(overload, { maxEventLoopDelay: 10, priority: 'low' })
        scope.get('/', async () => 'hello')
      },
      { prefix: '/low' }
    )
    app.get('/', async () => 'hello')
    const url = await listen(t, app)
    const timer = setInterval(() => {
      const until = performance.now() + 60
      while (performance.now() < until);
    }, 1)
    let rejected = await call(`${url}/low`)
    while (rejected.status !== 503) rejected = await call(`${url}/low`)
    clearInterval(timer)
    t.equal(rejected.headers.get('retry-after'), '1')
    t.match(rejected.json, withProblem ? { type: 'urn:sluice:overloaded' } : { code: 'SLUICE_OVERLOADED' })
    t.equal((await call(url)).status, 200)
  }
})

t.test('scopes of one app share a monitor, so they must agree on the delay', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(async scope => void (await scope.register(overload, { maxEventLoopDelay: 50 })))
  await app.register(async scope => void (await scope.register(overload, { maxEventLoopDelay: 50 })))
  await t.rejects(Promise.resolve(app.register(async scope => void (await scope.register(overload)))), {
    message: /maxEventLoopDelay is 100 here and 50 in another scope/
  })
})
