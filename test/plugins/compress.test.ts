import { gzipSync } from 'node:zlib'
import t from 'tap'
import Type from 'typebox'
import forward from '../../plugins/forward.ts'
import transform from '../../plugins/transform.ts'
import { call, startGateway, startService } from '../harness.ts'

const large = JSON.stringify({ text: 'sluice '.repeat(1_000) })
const json = { 'content-type': 'application/json' }

t.test('JSON that is whole is compressed, and nothing else is', async t => {
  const service = await startService(t, (request, response) => {
    const answers: Record<string, () => void> = {
      '/large': () =>
        response
          .writeHead(200, { ...json, 'content-length': large.length, etag: '"1"', vary: 'Accept' })
          .end(large),
      '/problem': () =>
        response
          .writeHead(400, { 'content-type': 'application/problem+json', 'content-length': large.length })
          .end(large),
      '/small': () => response.writeHead(200, { ...json, 'content-length': 2 }).end('{}'),
      '/stream': () => response.writeHead(200, json).end(large),
      '/text': () =>
        response.writeHead(200, { 'content-type': 'text/plain', 'content-length': large.length }).end(large),
      '/encoded': () => {
        const encoded = gzipSync(large)
        response
          .writeHead(200, {
            ...json,
            'content-encoding': 'gzip',
            'content-length': encoded.length,
            etag: '"1"'
          })
          .end(encoded)
      },
      '/fixed': () =>
        response
          .writeHead(200, {
            ...json,
            'content-length': large.length,
            'cache-control': 'no-transform',
            etag: '"1"'
          })
          .end(large)
    }
    answers[request.url as string]?.()
  })
  const routes = async (app: import('fastify').FastifyInstance) => {
    await app.register(forward)
    app.forward({ method: 'GET', url: '/*', upstream: 'products', prefix: '' })
    await app.register(transform)
    const Text = Type.Object({ text: Type.String() })
    app.transform({
      method: 'GET',
      url: '/transformed',
      upstream: 'products',
      upstreamResponse: Text,
      response: Text,
      toUpstream: () => ({ method: 'GET', path: '/large' }),
      toClient: answer => answer
    })
  }
  const { url } = await startGateway(t, {
    upstreams: { products: { url: service } },
    scopes: { small: { prefix: '/small', routes, compress: {} }, none: { prefix: '/none', routes } }
  })
  const get = (path: string, encoding = 'gzip, br') =>
    call(url + path, { headers: { 'accept-encoding': encoding } })

  const cases: [string, string | null, string | null, string | null][] = [
    ['/small/large', 'br', 'W/"1"', 'Accept, accept-encoding'],
    ['/small/transformed', 'br', null, 'accept-encoding'],
    ['/small/problem', 'br', null, 'accept-encoding'],
    ['/small/small', null, null, 'accept-encoding'],
    ['/small/stream', null, null, null],
    ['/small/text', null, null, null],
    ['/small/encoded', 'gzip', '"1"', null],
    ['/small/fixed', null, '"1"', 'accept-encoding'],
    ['/none/large', null, '"1"', 'Accept']
  ]
  for (const [path, encoding, etag, vary] of cases) {
    const { headers, text } = await get(path)
    t.equal(headers.get('content-encoding'), encoding, path)
    t.equal(headers.get('etag'), etag, path)
    t.equal(headers.get('vary'), vary, path)
    t.equal(text, path === '/small/small' ? '{}' : large, path)
  }
  t.equal((await get('/small/large', 'gzip')).headers.get('content-encoding'), 'gzip')
  const plain = await get('/small/large', 'identity')
  t.equal(plain.headers.get('content-encoding'), null)
  t.equal(plain.text, large)
  const head = await fetch(`${url}/small/large`, { method: 'HEAD', headers: { 'accept-encoding': 'br' } })
  t.equal(head.headers.get('content-encoding'), null)
})
