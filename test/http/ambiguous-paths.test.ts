import { once } from 'node:events'
import { connect } from 'node:net'
import type { FastifyInstance } from 'fastify'
import t from 'tap'
import Type from 'typebox'
import { hasDotSegment } from '../../http/path.ts'
import compose from '../../plugins/compose.ts'
import forward from '../../plugins/forward.ts'
import transform from '../../plugins/transform.ts'
import { path } from '../../proxy/path-template.ts'
import { type Ending, startGateway, startService } from '../harness.ts'
import { exchange, startSession, tls } from '../http2.ts'

/** Ways to write `../` and `..` that some server resolves. */
const UPWARDS = [
  '..%2f',
  '%2e%2e%2f',
  '..%5c',
  '..%252f',
  '%25252e.%2525252f',
  '%25%32%65%25%32%65%2f',
  '%2525252525252525252e%2e%2f',
  '..;%2f',
  '..%3b%2f',
  '..;a=b%2f',
  '..%00%2f',
  '..%09%2f',
  '..%0a%2f',
  '..%0d%2f',
  '.%0a.%2f',
  '.%0d%0a.%2f',
  '%0a..%2f',
  '..%20%2f',
  '..%7f%2f',
  '..%3f',
  '..%3fx',
  '..%23',
  '..%23x',
  '..%253fx',
  '..%00',
  '..%250a',
  '%25c0%25ae%25c0%25ae%25c0%25af',
  '%25e0%2580%25ae.%2f',
  '%25u002e%25u002e%25u2215',
  '%ef%bc%8e%ef%bc%8e%ef%bc%8f',
  '%e2%80%a4%e2%80%a4%2f',
  '%e2%80%a5%2f'
]

/** Values that every server reads literally. */
const HARMLESS = [
  'a.b',
  '...',
  '..a',
  'a..',
  '.well-known',
  'C%23',
  'why%3f',
  'a%2Fb',
  'a;b',
  '%C3%A9',
  'a%20b',
  '50%25'
]

const Any = Type.Object({})
const params = Type.Object({ id: Type.String() })

function routes(template: (strings: TemplateStringsArray, ...values: string[]) => string) {
  return async (app: FastifyInstance) => {
    await app.register(forward)
    await app.register(transform)
    await app.register(compose)
    app.forward({ method: 'GET', url: '/all/*', upstream: 'shop', prefix: '/things' })
    app.forward({ method: 'GET', url: '/one/:id', upstream: 'shop', prefix: '/things' })
    app.transform({
      method: 'GET',
      url: '/shaped/:id',
      upstream: 'shop',
      params,
      upstreamResponse: Any,
      response: Any,
      toUpstream: ({ params }) => ({ method: 'GET', path: template`/things/shaped/${params.id}` }),
      toClient: () => ({})
    })
    app.compose({
      url: '/composed/:id',
      params,
      response: Any,
      parts: {
        one: {
          upstream: 'shop',
          required: true,
          upstreamResponse: Any,
          path: request => template`/things/composed/${(request.params as { id: string }).id}`
        }
      },
      toClient: () => ({})
    })
    app.compose({
      url: '/optional/:id',
      params,
      response: Any,
      parts: {
        one: {
          upstream: 'shop',
          upstreamResponse: Any,
          fallback: {},
          path: request => template`/things/composed/${(request.params as { id: string }).id}`
        }
      },
      toClient: () => ({})
    })
    app.websocket({ url: '/socket/:id', upstream: 'shop', prefix: '/things' })
  }
}

async function start(t: Ending, template: Parameters<typeof routes>[0], listen: object = {}) {
  const targets: string[] = []
  const service = await startService(t, (request, response) => {
    targets.push(request.url as string)
    response.setHeader('content-type', 'application/json').end('{}')
  })
  const { url } = await startGateway(t, {
    listen,
    upstreams: { shop: { url: service } },
    scopes: { api: { prefix: '/api', routes: routes(template) } }
  })
  return { url, targets }
}

const HANDSHAKE =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n'

/** Returns the status of a request with a raw target. */
async function ask(url: string, target: string, fields = 'Connection: close\r\n'): Promise<number> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.setEncoding('latin1')
  socket.write(`GET ${target} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`)
  const [head] = await once(socket, 'data')
  socket.destroy()
  return Number(head.slice(9, 12))
}

for (const [how, template] of [
  ['the path template', path],
  ['text', String.raw as typeof path]
] as const)
  t.test(`no pattern sends a dot segment in any encoding; paths are built by ${how}`, async t => {
    const { url, targets } = await start(t, template as never)
    for (const route of ['all', 'one', 'shaped', 'composed', 'optional', 'socket'])
      for (const up of UPWARDS) {
        const status = await ask(url, `/api/${route}/${up}secret`, route === 'socket' ? HANDSHAKE : undefined)
        t.equal(status, 400, `${route} ${up}`)
      }
    for (const target of targets) t.notOk(hasDotSegment(target), target)
    t.same(targets, [], 'the service gets no request')
  })

t.test('raw bytes hide no dots, and long paths are checked in linear time', t => {
  t.ok(hasDotSegment('/a/\xc0\xae\xc0\xae/b'))
  t.notOk(hasDotSegment('/a/%c3%80%c2%ae/b'), 'two letters are no overlong dot')
  for (const part of ['%2525', '%25%32%35', '..a/', ';', '%c0', '. ', '/ ', '%u0025'])
    t.type(hasDotSegment(part.repeat(16_384 / part.length)), 'boolean', part)
  t.end()
})

t.test('the same paths are rejected over HTTP/2', async t => {
  const { url, targets } = await start(t, path as never, { tls, http2: true })
  const session = await startSession(t, url)
  for (const route of ['all', 'one', 'shaped', 'composed'])
    for (const up of UPWARDS)
      t.equal(
        (await exchange(session, { ':path': `/api/${route}/${up}secret` })).status,
        400,
        `${route} ${up}`
      )
  t.same(targets, [])
})

t.test('a path that a server could read as another route is not sent', async t => {
  const targets: string[] = []
  const service = await startService(t, (request, response) => {
    targets.push(request.url as string)
    response.setHeader('content-type', 'application/json').end('{}')
  })
  const { url } = await startGateway(t, {
    upstreams: { shop: { url: service } },
    scopes: {
      api: {
        prefix: '/api',
        routes: async app => {
          await routes(path)(app)
          const guarded = {
            preHandler: async () => Promise.reject(Object.assign(new Error(), { statusCode: 403 }))
          }
          const to = { method: 'GET', upstream: 'shop', prefix: '/things' } as const
          app.forward({ ...to, ...guarded, url: '/all/admin/*' })
          app.forward({ ...to, ...guarded, url: '/one/:id/secret' })
          app.forward({ ...to, ...guarded, url: '/shaped/:id/secret' })
          app.get('/own/:id', async () => 'own')
          app.get('/own/:id/more', async () => 'more')
        }
      }
    }
  })
  for (const target of [
    '/api/all//admin/x',
    '/api/all/%2fadmin/x',
    '/api/all/admin%2fx',
    '/api/all/admin%252fx',
    '/api/all/admin%5cx',
    '/api/all/;/admin/x',
    '/api/all/admin;a=b/x',
    '/api/all/admin%3b/x',
    '/api/all/%00admin%2fx',
    '/api/all/%0aadmin/x',
    '/api/all/admin%00/x',
    '/api/one/1%2fsecret',
    '/api/one/1%252Fsecret',
    '/api/one/1%2fsecret%3fx',
    '/api/one/1%2fsecret%00x',
    '/api/one/1%5csecret',
    '/api/one/1;x%2fsecret%3f',
    '/api/shaped/1%2fsecret',
    '/api/shaped/1%2fsecret%23x'
  ])
    t.equal(await ask(url, target), 400, target)
  t.same(targets, [])
  t.equal(await ask(url, '/api/all/admin/x'), 403)
  t.equal(await ask(url, '/api/own/1%2fmore'), 200, 'an own handler interprets its path itself')

  for (const value of HARMLESS)
    for (const route of ['all', 'one', 'shaped', 'composed'])
      t.equal(await ask(url, `/api/${route}/${value}`), 200, `${route} ${value}`)
  for (const target of ['/api/all//x', '/api/all/x//', '/api/all/x%2fy;z', '/api/all/administer%2fx'])
    t.equal(await ask(url, target), 200, target)
})
