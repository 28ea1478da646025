import Fastify from 'fastify'
import t from 'tap'
import { recordsOf } from '../../../observe/exchange-record.ts'
import { Ring } from '../../../observe/recorder/ring.ts'
import exchanges from '../../../plugins/exchange.ts'
import { call } from '../../harness.ts'

t.test('headers are stored byte by byte, except long credentials, which are not stored', async t => {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(exchanges, { deadline: 10_000 })
  const recordOf = recordsOf(app)
  const ring = new Ring(10, 1_048_576, 4_096)
  const ended = new Promise<void>(resolve =>
    app.onExchangeEnd(exchange => {
      ring.add(1, recordOf(exchange))
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
  const text = ring.latest.text()
  const kept = Object.fromEntries(
    text.requestHeaders.flatMap((name, i, all) => (i % 2 === 0 ? [[name.toLowerCase(), all[i + 1]]] : []))
  )
  t.match(kept, {
    authorization: '[redacted]',
    cookie: '[redacted]',
    'x-latin': headers['x-latin'],
    'x-empty': '',
    'x-api-key': headers['x-api-key']
  })
  t.equal(text.url, '/things?a=1')
  t.equal(text.remoteAddress, '127.0.0.1')
  t.match(text.responseHead, /^HTTP\/1\.1 200 OK\r\n[\s\S]+\r\n\r\n$/)
})
