import t from 'tap'
import forward from '../../plugins/forward.ts'
import { startGateway } from '../harness.ts'
import { startIssuer } from '../issuer.ts'
import { Client, startRecorder } from './raw-sockets.ts'

/**
 * A public and an authenticated scope of one service. For any path, the service gets requests of the public scope below
 * /public, and none below /private without a token.
 */
const ATTACKS = [
  '/open/../private/x',
  '/open/..%2fprivate/x',
  '/open/%2e%2e/private/x',
  '/open/%2E%2E%2Fprivate/x',
  '/open/.%2e/private/x',
  '/open/%252e%252e/private/x',
  '/open/%252e%252e%252fprivate/x',
  '/open/%25252e%25252e/private',
  '/open/..\\private/x',
  '/open/..%5cprivate/x',
  '/open/..%5Cprivate',
  '/open/..%255cprivate',
  '/open\\..\\private',
  '/open/..;/private/x',
  '/open/..;a=b/private/x',
  '/open/%2e%2e;/private/x',
  '/open/..%3b/private/x',
  '/open/./../private/x',
  '/open/a/../../private/x',
  '/open//../private/x',
  '/open/.',
  '/open/..',
  '/open/%2e',
  '/open/x/..',
  '/open/x/%2e%2e/',
  '/open/%2f..%2fprivate',
  '/open/..//private',
  '/open/.../...//../private',
  '/open/%2e%2e%00/private',
  '/open/..%00/private',
  '/open/..%20/private',
  '/open/..%09/private',
  '/open/%c0%ae%c0%ae/private',
  '/open/%e0%80%ae/private',
  '/open/..#/private',
  '/open/..?/private',
  '/%6fpen/x',
  '/%6Fpen/../private',
  '/open%2f..%2fprivate',
  '/open%2fx',
  '/OPEN/x',
  '/open;/x',
  '/open;a=b/x',
  '//open/x',
  '/./open/x',
  '/x/../open/y',
  '/private/x',
  '/%70rivate/x',
  '/PRIVATE/x',
  '/private;/x',
  '//private/x',
  '/./private/x',
  '/private%2fx',
  '/private/',
  '/private//x',
  '/private/..;/x',
  '/private\\x',
  '/private?x',
  '/private#x',
  '/private%00/x',
  '/private%20/x',
  '/open/../open/x',
  'http://g.example/private/x',
  'http://g.example/open/../private/x',
  'http://g.example/open/%2e%2e/private',
  'HTTP://G.EXAMPLE/private/x',
  'http://g.example//private/x',
  '*',
  'private/x',
  '/open/..;/..;/private',
  '/open/%u002e%u002e/private',
  '/open/%2e%2e%2f%2e%2e%2fprivate',
  '/open/%5c%2e%2e%5cprivate',
  '/open/%25%32%65%25%32%65/private',
  '/open/%25%32e%25%32e/private',
  '/open/..%25%32%66private',
  '/open/..%u2215private'
]

t.test('no path escapes its scope or avoids authentication', async t => {
  const service = await startRecorder(t)
  const { issuer } = await startIssuer(t)
  const { url } = await startGateway(t, {
    upstreams: { products: { url: service.url } },
    issuers: { shop: { issuer, audience: 'api://gateway' } },
    scopes: {
      open: { prefix: '/open', routes: app => routes(app, '/public') },
      closed: { prefix: '/private', routes: app => routes(app, '/private'), jwt: 'shop' }
    }
  })
  for (const method of ['GET', 'POST'])
    for (const target of ATTACKS) {
      service.received.length = 0
      const client = new Client(url).write(`${method} ${target} HTTP/1.1\r\nHost: g.example\r\n\r\n`, method)
      const { status } = await client.response()
      client.end()
      const [received] = service.received
      if (received === undefined) {
        t.ok([400, 401, 404].includes(status), `${method} ${target}: ${status}`)
        continue
      }
      t.equal(received.target, `/public${target.slice('/open'.length)}`, `${method} ${target}: byte for byte`)
      for (const reading of readings(received.target))
        t.match(reading, /^\/public(\/|$)/, `${method} ${target}: also as ${reading}`)
    }
})

async function routes(app: import('fastify').FastifyInstance, prefix: string) {
  await app.register(forward)
  app.forward({ method: ['GET', 'POST'], url: '/*', upstream: 'products', prefix })
}

/** Path readings of real services: decoded up to three times, with backslashes, without parameters. */
function readings(target: string): string[] {
  const [path = ''] = target.split('?')
  const found: string[] = []
  let decoded = path
  for (let i = 0; i < 4; i++) {
    for (const one of [decoded, decoded.replaceAll('\\', '/')])
      for (const two of [one, one.replace(/;[^/]*/g, ''), one.replace(/[\0\t ].*?(?=\/|$)/g, '')])
        found.push(resolve(two))
    decoded = decoded.replace(/%([\da-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)))
  }
  return found
}

/** RFC 3986, 5.2.4. */
function resolve(path: string): string {
  const segments: string[] = []
  for (const segment of path.split('/').slice(1)) {
    if (segment === '..') segments.pop()
    else if (segment !== '.' && segment !== '') segments.push(segment)
  }
  return `/${segments.join('/')}`
}
