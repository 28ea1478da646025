import t from 'tap'
import forward from '../../plugins/forward.ts'
import { call, startGateway, startService } from '../harness.ts'

t.test('services do not get the session of the dashboard', async t => {
  const service = await startService(t, (request, response) => {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ cookie: request.headers.cookie }))
  })
  const { url } = await startGateway(t, {
    upstreams: { things: { url: service } },
    scopes: {
      things: {
        prefix: '/things',
        routes: async app => {
          await app.register(forward)
          app.forward({ method: 'GET', url: '/', upstream: 'things', prefix: '/' })
        }
      }
    }
  })
  const cookieFor = async (cookie: string) =>
    (await call(`${url}/things`, { headers: { cookie } })).json.cookie
  for (const [sent, passed] of [
    ['a=1; b=2', 'a=1; b=2'],
    ['sluice-admin=x', undefined],
    ['a=1; sluice-admin=x; b=2', 'a=1; b=2'],
    ['__Host-sluice-admin=x;a=1', 'a=1'],
    [' sluice-admin = x ;a=1; sluice-admin=y', 'a=1'],
    ['my-sluice-admin=1; note=sluice-admin', 'my-sluice-admin=1; note=sluice-admin']
  ] as const)
    t.equal(await cookieFor(sent), passed, sent)
})
