import Fastify from 'fastify'
import t from 'tap'
import { Ring } from '../../../observe/recorder/ring.ts'
import exchanges from '../../../plugins/exchange.ts'
import { call } from '../../harness.ts'

t.test('heads are kept to the octet, but for long credentials, which are not in memory at all', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(exchanges, { deadline: 10_000 })
  const ring = new Ring(10, 1_048_576, 4_096)
  const ended = new Promise<void>(resolve =>
    app.onExchangeEnd(exchange => {
      ring.add(1, exchange.ended)
      resolve()
    })
  )
  app.get('/things', async () => 'ok')
  const headers = {
    Authorization: `Bearer ${'t'.repeat(700)}`,
    cookie: 'c'.repeat(80),
    'x-latin': 'é'.repeat(100),
    'x-empty': '',
    'x-api-key': 'masked when it is read'
  }
  const url = await app.listen({ port: 0, host: '127.0.0.1' })
  await call(`${url}/things?a=1`, { headers })
  await ended
  const heads = ring.latest.heads()
  const kept = Object.fromEntries(
    heads.requestHeaders.flatMap((name, i, all) => (i % 2 === 0 ? [[name.toLowerCase(), all[i + 1]]] : []))
  )
  t.match(kept, {
    authorization: '[redacted]',
    cookie: '[redacted]',
    'x-latin': headers['x-latin'],
    'x-empty': '',
    'x-api-key': headers['x-api-key']
  })
  t.equal(heads.url, '/things?a=1')
  t.equal(heads.remote, '127.0.0.1')
  t.match(heads.responseHead, /^HTTP\/1\.1 200 OK\r\n[\s\S]+\r\n\r\n$/)
})
