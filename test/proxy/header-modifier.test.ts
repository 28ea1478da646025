import type { IncomingHttpHeaders } from 'node:http'
import t from 'tap'
import forward from '../../plugins/forward.ts'
import type { EditDefinition } from '../../proxy/header-modifier.ts'
import type { ConfigFault } from '../../schemas/options/faults.ts'
import { ConfigError } from '../../schemas/options/faults.ts'
import { type Ending, startGateway, startService } from '../harness.ts'

interface Seen {
  url: string
  headers: IncomingHttpHeaders
}

/** Starts a gateway that forwards `/shop/legacy/*` with an edit to a service that responds with `answer`. */
async function start(t: Ending, edit: EditDefinition, answer: Record<string, string | string[]> = {}) {
  const seen: Seen[] = []
  const service = await startService(t, (request, response) => {
    seen.push({ url: request.url as string, headers: request.headers })
    response.writeHead(200, answer).end('service')
  })
  const { url } = await startGateway(t, {
    upstreams: { things: { url: `${service}/base` } },
    scopes: {
      shop: {
        prefix: '/shop',
        routes: async app => {
          await app.register(forward)
          app.forward({
            method: 'GET',
            url: '/legacy/*',
            upstream: 'things',
            prefix: '/inner',
            edit
          })
        }
      }
    }
  })
  return { url, seen, service }
}

const last = (seen: Seen[]) => seen.at(-1) as Seen

t.test('request and response headers are renamed, removed, set and added', async t => {
  const { url, seen } = await start(
    t,
    {
      request: {
        headers: {
          rename: { 'X-Old': 'X-New', 'x-absent': 'x-present' },
          remove: ['Cookie'],
          set: { 'X-Key': 'k\u00e9y', 'x-mine': '' },
          add: { 'X-List': 'b', 'x-other': 'o' }
        }
      },
      response: {
        headers: {
          rename: { 'X-Was': 'X-Is' },
          remove: ['Server', 'x-powered-by'],
          set: { 'Cache-Control': 'no-store' },
          add: { Vary: 'Origin', 'Set-Cookie': 'c=3', 'x-added': '1' }
        }
      }
    },
    { 'x-was': 'w', server: 's/1', 'cache-control': 'public', vary: 'Accept', 'set-cookie': ['a=1', 'b=2'] }
  )
  const answer = await fetch(`${url}/shop/legacy/x`, {
    headers: { 'x-old': 'o', cookie: 'a=b', 'x-mine': 'theirs', 'x-list': 'a', 'x-user-id': 'mallory' }
  })
  const { headers } = last(seen)
  t.match(headers, { 'x-new': 'o', 'x-key': 'k\u00e9y', 'x-mine': '', 'x-list': 'a, b', 'x-other': 'o' })
  for (const gone of ['x-old', 'x-present', 'cookie', 'x-user-id']) t.notOk(gone in headers, gone)
  t.ok(headers.via, "the gateway's own are there")
  t.equal(answer.headers.get('x-is'), 'w')
  t.equal(answer.headers.get('x-was'), null)
  t.equal(answer.headers.get('server'), null)
  t.equal(answer.headers.get('cache-control'), 'no-store')
  t.equal(answer.headers.get('vary'), 'Accept, Origin')
  t.equal(answer.headers.get('x-added'), '1')
  t.same(answer.headers.getSetCookie(), ['a=1', 'b=2', 'c=3'])
  t.equal(await answer.text(), 'service')
})

t.test('the query is edited by name, and the rest stays unchanged', async t => {
  const { url, seen } = await start(t, {
    strip: '/legacy',
    request: {
      query: {
        rename: { q: 'search term', key: 'api' },
        remove: ['debug', 'a b'],
        set: { api: 'v&1' },
        add: { tag: 'x=y' }
      }
    }
  })
  const cases: [query: string, expected: string][] = [
    ['', '?api=v%261&tag=x%3Dy'],
    ['?', '?api=v%261&tag=x%3Dy'],
    ['?x=%20a+b&&y&%zz=%E4&=1', '?x=%20a+b&&y&%zz=%E4&=1&api=v%261&tag=x%3Dy'],
    ['?q=1%2f2&q', '?search%20term=1%2f2&search%20term&api=v%261&tag=x%3Dy'],
    ['?debug=1&de%62ug&a+b=1&a%20b&debugger=1', '?debugger=1&api=v%261&tag=x%3Dy'],
    ['?api=1&%61pi=2&key=3&tag=z', '?tag=z&api=v%261&tag=x%3Dy']
  ]
  for (const [query, expected] of cases) {
    await fetch(`${url}/shop/legacy/a%2Fb${query}`)
    t.equal(last(seen).url, `/base/inner/a%2Fb${expected}`, query)
  }
})

t.test('an empty query is removed', async t => {
  const { url, seen } = await start(t, { request: { query: { remove: ['a'] } } })
  await fetch(`${url}/shop/legacy/x?a=1`)
  t.equal(last(seen).url, '/base/inner/legacy/x')
  await fetch(`${url}/shop/legacy/x?b=a`)
  t.equal(last(seen).url, '/base/inner/legacy/x?b=a')
})

t.test('an invalid edit is a fault at start', async t => {
  const faultsOf = async (edit: object): Promise<string[]> => {
    try {
      await start(t, edit)
      return []
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      return error.faults.map(({ path }: ConfigFault) => path.replace('GET /shop/legacy/* /edit', '')).sort()
    }
  }
  const refused = [
    'Connection',
    'Keep-Alive',
    'TE',
    'Transfer-Encoding',
    'Upgrade',
    'Trailer',
    'Content-Length',
    'Content-Encoding',
    'Proxy-Authorization'
  ]
  const inbound = [
    ...refused,
    'Host',
    'Expect',
    'Via',
    'Forwarded',
    'X-Forwarded-For',
    'X-Forwarded-Anything',
    'X-Real-IP',
    'X-User-Id',
    'x_user_id',
    'X-User-Anything',
    'X-Request-Id'
  ]
  for (const name of inbound) {
    t.same(await faultsOf({ request: { headers: { set: { [name]: 'x' } } } }), [
      `/request/headers/set/${name}`
    ])
  }
  t.same(
    await faultsOf({
      request: {
        headers: {
          rename: { 'x-a': 'X-User-Id', 'X-User-Tier': 'x-b', 'x-c': 'x-d' },
          remove: ['via'],
          add: { 'x-forwarded-host': 'h', 'not a name': 'x', '': 'x' }
        }
      }
    }),
    [
      '/request/headers/add/',
      '/request/headers/add/not a name',
      '/request/headers/add/x-forwarded-host',
      '/request/headers/remove/0',
      '/request/headers/rename/X-User-Tier',
      '/request/headers/rename/x-a'
    ]
  )
  for (const name of [...refused, 'X-Request-Id', 'RateLimit', 'Sunset'])
    t.same(
      await faultsOf({ response: { headers: { remove: [name] } } }),
      ['/response/headers/remove/0'],
      name
    )
  for (const value of ['a\r\nx-user-id: 1', 'a\nb', 'a\rb', 'a\0b', '\u2713'])
    t.same(await faultsOf({ response: { headers: { set: { 'x-a': value } } } }), [
      '/response/headers/set/x-a'
    ])
  t.same(await faultsOf({ request: { header: {} }, strip: 'legacy' }), ['/request/header', '/strip'])
  t.same(await faultsOf({ strip: '/leg' }), ['/strip'], 'not a prefix of the URL in whole segments')
})
