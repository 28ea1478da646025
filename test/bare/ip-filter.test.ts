import Fastify from 'fastify'
import { ipFilter, problem } from 'sluice'
import t from 'tap'
import { call } from '../harness.ts'
import { listen } from './app.ts'

t.test('ipFilter rejects addresses of one scope in a bare app', async t => {
  for (const withProblem of [false, true]) {
    const app = Fastify()
    if (withProblem) await app.register(problem)
    await app.register(
      async scope => {
        await scope.register(ipFilter, { allow: ['10.0.0.0/8'] })
        scope.get('/', async () => 'hello')
      },
      { prefix: '/internal' }
    )
    app.get('/', async () => 'hello')
    const url = await listen(t, app)
    const { status, json } = await call(`${url}/internal`)
    t.equal(status, 403)
    t.match(json, withProblem ? { type: 'urn:sluice:address-rejected' } : { code: 'SLUICE_ADDRESS_REJECTED' })
    t.equal((await call(url)).status, 200)
  }
})

t.test('ipFilter rejects what is not a range', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(Promise.resolve(app.register(ipFilter, { deny: ['10.0.0'] })), {
    code: 'SLUICE_INVALID_OPTIONS',
    message: /ipFilter: \/deny\/0 must be an address or a range/
  })
})
