import Fastify from 'fastify'
import { compress } from 'sluice'
import t from 'tap'
import { call } from '../harness.ts'
import { listen } from './app.ts'

t.test('compress compresses JSON of its scope in a bare app', async t => {
  const text = 'a'.repeat(5_000)
  const app = Fastify()
  await app.register(
    async scope => {
      await scope.register(compress)
      scope.get('/', async () => ({ text }))
      scope.get('/plain', { compress: false }, async () => ({ text }))
    },
    { prefix: '/packed' }
  )
  app.get('/', async () => ({ text }))
  const url = await listen(t, app)
  const headers = { 'accept-encoding': 'gzip' }
  const packed = await call(`${url}/packed`, { headers })
  t.equal(packed.headers.get('content-encoding'), 'gzip')
  t.same(packed.json, { text })
  t.equal((await call(`${url}/packed/plain`, { headers })).headers.get('content-encoding'), null)
  t.equal((await call(url, { headers })).headers.get('content-encoding'), null)
})

t.test('compress rejects unknown encodings', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(Promise.resolve(app.register(compress, { encodings: ['deflate'] } as never)), {
    message: /compress: \/encodings\/0 must be one of br, gzip/
  })
})
