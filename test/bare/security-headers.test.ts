import Fastify from 'fastify'
import { securityHeaders } from 'sluice'
import t from 'tap'
import { call } from '../harness.ts'
import { listen } from './app.ts'

t.test('securityHeaders needs no options in a bare app', async t => {
  const app = Fastify({ trustProxy: true })
  await app.register(securityHeaders)
  app.get('/', async () => 'hello')
  const url = await listen(t, app)
  const plain = await call(url)
  t.match(plain.headers.get('content-security-policy'), "default-src 'none'")
  t.equal(plain.headers.get('strict-transport-security'), null)
  const https = await call(url, { headers: { 'x-forwarded-proto': 'https' } })
  t.match(https.headers.get('strict-transport-security'), 'max-age=31536000')
})

t.test('securityHeaders rejects unknown options', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await t.rejects(Promise.resolve(app.register(securityHeaders, { htst: 1 } as never)), {
    message: /securityHeaders: \/htst is not known; did you mean.*hsts/
  })
})
