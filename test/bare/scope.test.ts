import Fastify from 'fastify'
import { forward, metrics, scope, upstreams } from 'sluice'
import t from 'tap'
import { startService } from '../harness.ts'
import { listen } from './app.ts'

t.test('names the scope in metrics and passes headers that are dropped by default', async t => {
  const service = await startService(t, ({ headers }, response) =>
    response.end(String(headers['x-http-method-override']))
  )
  const app = Fastify()
  await app.register(metrics)
  await app.register(upstreams, { upstreams: { orders: { url: service } } })
  for (const [name, passHeaders] of [
    ['open', ['X-HTTP-Method-Override']],
    ['strict', []]
  ] as const)
    await app.register(
      async inner => {
        await inner.register(scope, { name, passHeaders: [...passHeaders] })
        await inner.register(forward)
        inner.forward({ method: 'GET', url: '/', upstream: 'orders', prefix: '' })
      },
      { prefix: `/${name}` }
    )
  const url = await listen(t, app)
  const headers = { 'x-http-method-override': 'PUT' }
  t.equal(await (await fetch(`${url}/open`, { headers })).text(), 'PUT')
  t.equal(await (await fetch(`${url}/strict`, { headers })).text(), 'undefined')
  t.match(await app.metrics?.metrics(), /scope="strict"/)
})

t.test('scope reports wrong options at start', async t => {
  await t.rejects(async () => Fastify().register(scope, { name: 'A b', passHeaders: ['X-User-Id'] }), {
    code: 'SLUICE_INVALID_OPTIONS',
    message: /^scope: \/name .*; \/passHeaders\/0 must be a header that is dropped by default/
  })
})
