import replyFrom from '@fastify/reply-from'
import Fastify from 'fastify'
import t from 'tap'
import { call } from '../harness.ts'

/** Internals that forwarding relies on in @fastify/reply-from: proxy/reply-from-client.ts is such a client. */

const own = Symbol('own')

t.test('a client gets method, body and symbols of the headers, and its response is sent', async t => {
  const seen: { method: string; body: unknown; carried: unknown }[] = []
  const url = await start(t, ({ method, body, headers }, callback) => {
    seen.push({ method, body, carried: headers[own] })
    callback(null, { statusCode: 201, headers: { 'x-service': '1' }, body: Buffer.from('ok') })
  })
  const answer = await call(url)
  t.match(answer, { status: 201, text: 'ok' })
  t.equal(answer.headers.get('x-service'), '1 rewritten')
  t.strictSame(seen, [{ method: 'GET', body: '', carried: 'path' }])
})

t.test('an empty list of methods turns its retries off', async t => {
  let calls = 0
  const url = await start(t, (_request, callback) => {
    calls++
    callback(null, { statusCode: 503, headers: { 'retry-after': '0' }, body: Buffer.from('no') })
  })
  t.equal((await call(url)).status, 503)
  t.equal(calls, 1)
})

type Request = { method: string; body: unknown; headers: Record<string | symbol, unknown> }
type Callback = (error: null, response: object) => void

async function start(
  t: { teardown(end: () => unknown): void },
  request: (request: Request, callback: Callback) => void
) {
  const app = Fastify()
  t.teardown(() => app.close())
  await app.register(replyFrom, {
    undici: { request } as never,
    disableRequestLogging: true,
    retryMethods: []
  })
  const options = {
    rewriteRequestHeaders: () => ({ [own]: 'path' }),
    rewriteHeaders: (headers: Record<string, string>) => ({
      'x-service': `${headers['x-service']} rewritten`
    })
  }
  app.get('/', (_request, reply) => void reply.from('http://upstream/', options as never))
  return app.listen({ port: 0, host: '127.0.0.1' })
}
