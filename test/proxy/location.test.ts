import t from 'tap'
import forward from '../../plugins/forward.ts'
import { startGateway, startService } from '../harness.ts'

t.test('URLs of the service become URLs of the gateway', async t => {
  let answer: Record<string, string | string[]> = {}
  const service = await startService(t, (_request, response) => response.writeHead(201, answer).end())
  const { url } = await startGateway(t, {
    upstreams: { things: { url: `${service}/base/` }, bare: { url: service } },
    scopes: {
      shop: {
        prefix: '/api/shop',
        routes: async app => {
          await app.register(forward)
          const edit = { response: { location: true } }
          const upstream = 'things'
          app.forward({ method: 'GET', url: '/*', upstream, prefix: '/inner', edit })
          app.forward({
            method: 'GET',
            url: '/old/*',
            upstream,
            prefix: '/inner',
            edit: { ...edit, strip: '/old' }
          })
          app.forward({ method: 'GET', url: '/plain/*', upstream, prefix: '/inner' })
        }
      },
      all: {
        prefix: '/all',
        routes: async app => {
          await app.register(forward)
          app.forward({
            method: 'GET',
            url: '/*',
            upstream: 'bare',
            prefix: '',
            edit: { response: { location: true } }
          })
        }
      }
    }
  })
  const { host, hostname } = new URL(service)
  const ask = (path: string) => fetch(url + path, { redirect: 'manual' })
  const cases: [path: string, from: string, to: string][] = [
    ['/api/shop/x', `${service}/base/inner/1?a=%2F#f`, '/api/shop/1?a=%2F#f'],
    ['/api/shop/x', `//${host}/base/inner/1`, '/api/shop/1'],
    ['/api/shop/x', '/base/inner/a%2Fb', '/api/shop/a%2Fb'],
    ['/api/shop/x', '/base/inner', '/api/shop'],
    ['/api/shop/x', '/base/inner/', '/api/shop/'],
    ['/api/shop/x', '/base/inner?page=2', '/api/shop?page=2'],
    ['/api/shop/x', `http://user:pass@${host}/base/inner//evil.example`, '/api/shop//evil.example'],
    ['/api/shop/old/x', '/base/inner/1', '/api/shop/old/1'],
    ['/all/x', '/', '/all/'],
    ['/all/x', `${service}/1`, '/all/1'],

    ['/api/shop/x', '1', '1'],
    ['/api/shop/x', '../y?z', '../y?z'],
    ['/api/shop/x', '?page=2', '?page=2'],
    ['/api/shop/x', '#top', '#top'],
    ['/api/shop/x', '', ''],
    ['/api/shop/x', 'https://elsewhere.example/base/inner/1', 'https://elsewhere.example/base/inner/1'],
    ['/api/shop/x', '//elsewhere.example/base/inner/1', '//elsewhere.example/base/inner/1'],
    ['/api/shop/x', '/\\elsewhere.example/', '/\\elsewhere.example/'],
    ['/api/shop/x', `https://${host}/base/inner/1`, `https://${host}/base/inner/1`],
    ['/api/shop/x', '/base/innermost', '/base/innermost'],
    ['/api/shop/x', '/base/inner/../other', '/base/inner/../other'],
    ['/api/shop/x', '/elsewhere', '/elsewhere'],
    ['/api/shop/x', 'mailto:a@b.example', 'mailto:a@b.example'],
    ['/api/shop/x', 'http://[', 'http://['],
    ['/api/shop/plain/x', '/base/inner/1', '/base/inner/1']
  ]
  for (const [path, from, to] of cases) {
    answer = { location: from, 'content-location': from }
    const { headers } = await ask(path)
    t.equal(headers.get('location'), to, `${path}: ${from}`)
    t.equal(headers.get('content-location'), to)
  }

  answer = {
    'set-cookie': [
      'a=1',
      'b=Path=/base/inner; Path=/base/inner; HttpOnly',
      `c=1; domain=.${hostname}; path=/base/inner/x; Secure`,
      'd=1; Domain=elsewhere.example; Path=/',
      '__Host-e=1; Path=/; Secure'
    ]
  }
  t.same((await ask('/api/shop/x')).headers.getSetCookie(), [
    'a=1',
    'b=Path=/base/inner; Path=/api/shop; HttpOnly',
    'c=1; Path=/api/shop/x; Secure',
    'd=1; Domain=elsewhere.example; Path=/',
    '__Host-e=1; Path=/; Secure'
  ])
})
