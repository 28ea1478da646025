import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import Type from 'typebox'
import compose from '../../plugins/compose.ts'
import forward from '../../plugins/forward.ts'
import transform from '../../plugins/transform.ts'
import { type Ending, startGateway } from '../harness.ts'
import { field, fieldsOf, type ResponseMessage } from '../http/http-message.ts'
import { Client, startRecorder, until } from '../http/raw-sockets.ts'

const large = JSON.stringify({ text: 'sluice '.repeat(1_000) })
const OF_BYTES =
  'Repr-Digest: sha-256=:AA==:\r\nContent-Digest: sha-256=:AA==:\r\nDigest: SHA=AA\r\nAccept-Ranges: bytes\r\n'

const Text = Type.Object({ text: Type.String() })

async function routes(app: FastifyInstance) {
  const upstream = 'shop'
  const toUpstream = () => ({ method: 'GET', path: '/large' })
  await app.register(forward)
  await app.register(transform)
  await app.register(compose)
  app.forward({ method: ['GET', 'DELETE'], url: '/*', upstream, prefix: '' })
  app.forward({ method: 'GET', url: '/plain/large', upstream, prefix: '', compress: false })
  app.transform({
    method: 'GET',
    url: '/transformed',
    upstream,
    upstreamResponse: Text,
    response: Text,
    toUpstream,
    toClient: text => text
  })
  app.compose({
    url: '/composed',
    response: Text,
    parts: { text: { upstream, required: true, upstreamResponse: Text, path: () => '/large' } },
    toClient: ({ text }) => text
  })
}

/** A service with one JSON resource, which checks the conditions of requests as RFC 9110, 13, says. */
async function start(t: Ending) {
  const service = await startRecorder(t, request => {
    const { method, target } = request
    const tag = 'ETag: "v1"\r\n'
    if (method === 'DELETE')
      return field(request, 'if-match') === '"v1"'
        ? 'HTTP/1.1 204 No Content\r\n\r\n'
        : 'HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n\r\n'
    if (field(request, 'if-none-match')?.includes('"v1"'))
      return `HTTP/1.1 304 Not Modified\r\n${tag}${OF_BYTES}\r\n`
    const text = target === '/tiny' ? '{}' : large
    const type = target === '/text' ? 'text/plain' : 'application/json'
    const status =
      target === '/part' ? `206 Partial Content\r\nContent-Range: bytes 0-${text.length - 1}/9999` : '200 OK'
    const vary =
      target === '/varies' ? 'Vary: Accept, Accept-Encoding\r\n' : target === '/any' ? 'Vary: *\r\n' : ''
    const head = `HTTP/1.1 ${status}\r\nContent-Type: ${type}\r\nContent-Length: ${text.length}\r\n${tag}${OF_BYTES}${vary}\r\n`
    return method === 'HEAD' ? head : head + text
  })
  const { url } = await startGateway(t, {
    upstreams: { shop: { url: service.url } },
    scopes: { shop: { prefix: '/shop', routes, compress: {} } }
  })
  return async (method: string, path: string, fields = ''): Promise<ResponseMessage> => {
    const client = new Client(url).write(
      `${method} /shop${path} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`,
      method
    )
    const answer = await client.response()
    client.end()
    return answer
  }
}

function decoded(answer: ResponseMessage): string {
  const body = Buffer.from(answer.body, 'latin1')
  const encoding = field(answer, 'content-encoding')
  return String(
    encoding === 'br' ? brotliDecompressSync(body) : encoding === 'gzip' ? gunzipSync(body) : body
  )
}

const GZIP = 'Accept-Encoding: gzip\r\n'

t.test('a validator is strong unless other bytes are sent (RFC 9110, 8.8.1)', async t => {
  const ask = await start(t)
  for (const [path, fields] of [
    ['/large', ''],
    ['/large', 'Accept-Encoding: identity\r\n'],
    ['/large', 'Accept-Encoding: gzip;q=0\r\n'],
    ['/large', 'Accept-Encoding: zstd\r\n'],
    ['/tiny', GZIP],
    ['/part', GZIP],
    ['/text', GZIP],
    ['/plain/large', GZIP]
  ] as const) {
    const answer = await ask('GET', path, fields)
    const etag = field(answer, 'etag')
    t.equal(etag, '"v1"', `${path} ${fields}`)
    t.equal(field(answer, 'content-encoding'), undefined)
    for (const name of ['repr-digest', 'content-digest', 'digest', 'accept-ranges'])
      t.ok(field(answer, name), name)
    t.equal((await ask('DELETE', '/large', `If-Match: ${etag}\r\n`)).status, 204, 'and good for If-Match')
  }
  const packed = await ask('GET', '/large', GZIP)
  t.equal(field(packed, 'content-encoding'), 'gzip')
  t.equal(field(packed, 'etag'), 'W/"v1"')
  t.equal(field(packed, 'content-length'), String(packed.body.length))
  t.equal(decoded(packed), large)
  for (const name of ['repr-digest', 'content-digest', 'digest', 'accept-ranges'])
    t.notOk(field(packed, name), name)
})

t.test('GET, HEAD and 304 agree on validator and Vary', async t => {
  const ask = await start(t)
  for (const [path, fields] of [
    ['/large', ''],
    ['/large', GZIP],
    ['/tiny', GZIP],
    ['/part', GZIP],
    ['/text', GZIP],
    ['/plain/large', GZIP],
    ['/varies', GZIP],
    ['/any', GZIP],
    ['/transformed', GZIP],
    ['/composed', GZIP]
  ] as const) {
    const got = await ask('GET', path, fields)
    const head = await ask('HEAD', path, fields)
    for (const name of ['etag', 'vary', 'accept-ranges', 'repr-digest'])
      t.equal(field(head, name), field(got, name), `HEAD ${path} ${fields}${name}`)
    const length = field(head, 'content-length')
    if (length !== undefined) t.equal(length, field(got, 'content-length'), `${path}: no other length`)
  }
  for (const known of ['W/"v1"', '"v1"', '"v0", W/"v1"', 'W/"v1", "v1"']) {
    const cached = await ask('GET', '/large', `${GZIP}If-None-Match: ${known}\r\n`)
    t.equal(cached.status, 304)
    t.equal(field(cached, 'vary'), 'accept-encoding')
    const isStrong = /(^| )"v1"/.test(known)
    t.equal(field(cached, 'etag'), isStrong ? '"v1"' : 'W/"v1"', known)
    for (const name of ['repr-digest', 'accept-ranges'])
      t.equal(field(cached, name) !== undefined, isStrong, `${name} ${known}`)
  }
})

t.test('Vary names Accept-Encoding once, in whatever letters (RFC 9110, 12.5.5)', async t => {
  const ask = await start(t)
  for (const [path, vary] of [
    ['/large', 'accept-encoding'],
    ['/tiny', 'accept-encoding'],
    ['/part', 'accept-encoding'],
    ['/varies', 'Accept, Accept-Encoding'],
    ['/any', '*'],
    ['/transformed', 'accept-encoding'],
    ['/composed', 'accept-encoding'],
    ['/text', undefined],
    ['/plain/large', undefined]
  ] as const)
    for (const fields of [GZIP, ''])
      t.same(
        fieldsOf(await ask('GET', path, fields), 'vary'),
        vary === undefined ? [] : [vary],
        `${path} ${fields}`
      )
})

t.test('the coding is the one that the client prefers (RFC 9110, 12.5.3)', async t => {
  const ask = await start(t)
  const cases: [header: string, large: string | undefined, tiny?: string][] = [
    ['gzip', 'gzip'],
    ['GZIP', 'gzip'],
    ['x-gzip', 'gzip'],
    ['gzip, br', 'br'],
    ['gzip;q=1, br;q=0.9', 'gzip'],
    ['br;q=0, gzip;q=0.001', 'gzip'],
    ['gzip;q=0, br;q=0', undefined],
    ['identity;q=1, gzip;q=0.5', undefined],
    ['identity, gzip;q=0.999, br;q=0.5', undefined],
    ['identity;q=0.5, gzip;q=0.5', 'gzip'],
    ['identity;q=0.5, gzip', 'gzip'],
    ['identity', undefined],
    ['', undefined],
    ['deflate, zstd', undefined],
    ['*', 'br'],
    ['*;q=0.5, br;q=0.1', 'gzip'],
    ['*;q=0', undefined],
    ['*;q=0, gzip', 'gzip', 'gzip'],
    ['identity;q=0, gzip', 'gzip', 'gzip'],
    ['identity;q=0', undefined],
    ['identity;q=0, *;q=0', undefined],
    ['identity;q=0.5, *;q=0', undefined],
    ['gzip;q=0, *', 'br'],
    ['gzip ; q=0.5 , br ; q=0.6', 'br']
  ]
  for (const [header, encoding, small] of cases)
    for (const path of ['/large', '/transformed', '/tiny']) {
      const answer = await ask('GET', path, `Accept-Encoding: ${header}\r\n`)
      t.equal(field(answer, 'content-encoding'), path === '/tiny' ? small : encoding, `${path} ${header}`)
      t.equal(decoded(answer), path === '/tiny' ? '{}' : large)
    }
  const forced = await ask('GET', '/large', `${GZIP}X-No-Compression: 1\r\n`)
  t.equal(field(forced, 'content-encoding'), 'gzip', 'a header of another kind changes nothing')
})

t.test('a body that comes late is compressed like any other, and cut where the service cuts it', async t => {
  for (const isCut of [false, true]) {
    const service = await startRecorder(t, (_request, socket) => {
      rest = () => (isCut ? socket.destroy() : socket.write(large.slice(100)))
      return `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${large.length}\r\nETag: "v1"\r\n\r\n${large.slice(0, 100)}`
    })
    let rest: () => void = () => {}
    const { url } = await startGateway(t, {
      upstreams: { shop: { url: service.url } },
      scopes: { shop: { prefix: '/shop', routes, compress: {} } }
    })
    const client = new Client(url).write(`GET /shop/large HTTP/1.1\r\nHost: a\r\n${GZIP}\r\n`, 'GET')
    await until(() => client.bytes.includes('\r\n\r\n'), 'the head')
    t.match(client.bytes, /etag: W\/"v1"/i)
    t.match(client.bytes, /content-encoding: gzip/i)
    rest()
    if (isCut) {
      await until(() => client.isClosed, 'the end')
      t.notMatch(client.bytes, /0\r\n\r\n$/, 'it does not look complete')
    } else t.equal(decoded(await client.response()), large)
    client.end()
  }
})
