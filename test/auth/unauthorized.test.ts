import t, { type Test } from 'tap'
import Type from 'typebox'
import compose from '../../plugins/compose.ts'
import transform from '../../plugins/transform.ts'
import { call, startGateway, startService } from '../harness.ts'

const Thing = Type.Object({ id: Type.Optional(Type.String()) })

t.test("a service's own 401 behind a transformation or composition is 502", async t => {
  const { ask, answer } = await start(t)
  answer(401, { 'www-authenticate': 'Basic realm="inner"' })
  for (const route of ['/transformed', '/composed']) {
    const { status, headers, json } = await ask(route)
    t.equal(status, 502)
    t.equal(headers.get('www-authenticate'), null)
    t.equal(json.type, 'urn:sluice:upstream-invalid-response')
  }
  const { status, json } = await ask('/optional')
  t.strictSame([status, json], [200, { missing: ['part'] }])
})

t.test('with passUnauthorized a route passes on the 401 with all of its challenges', async t => {
  const { ask, answer } = await start(t)
  answer(401, { 'www-authenticate': ['Basic realm="inner"', 'Bearer'] })
  for (const route of ['/transformed/passed', '/composed/passed']) {
    const { status, headers, json } = await ask(route)
    t.equal(status, 401)
    t.equal(headers.get('www-authenticate'), 'Basic realm="inner", Bearer')
    t.strictSame([json.title, json.type], ['Unauthorized', 'about:blank'])
  }
  answer(401, {})
  for (const route of ['/transformed/passed', '/composed/passed'])
    t.equal((await ask(route)).status, 502, 'not without a challenge')
  answer(407, { 'proxy-authenticate': 'Basic' })
  for (const route of ['/transformed/passed', '/composed/passed', '/transformed'])
    t.equal((await ask(route)).status, 502, '407')
})

t.test('other error responses of a service keep their status', async t => {
  const { ask, answer } = await start(t)
  for (const status of [400, 403, 404, 409, 429, 503]) {
    answer(status, {})
    for (const route of ['/transformed', '/composed']) t.equal((await ask(route)).status, status)
  }
})

async function start(t: Test) {
  let answered: [number, Record<string, string | string[]>] = [200, {}]
  const url = await startService(t, (_request, response) =>
    response.writeHead(answered[0], answered[1]).end('{}')
  )
  const gateway = await startGateway(t, {
    upstreams: { things: { url } },
    scopes: {
      things: {
        prefix: '/t',
        routes: async app => {
          await app.register(transform)
          await app.register(compose)
          for (const [suffix, passUnauthorized] of [
            ['', undefined],
            ['/passed', true]
          ] as const) {
            const isPassed = passUnauthorized !== undefined && { passUnauthorized }
            const part = {
              upstream: 'things',
              upstreamResponse: Thing,
              path: () => '/',
              ...isPassed
            }
            app.transform({
              method: 'GET',
              url: `/transformed${suffix}`,
              upstream: 'things',
              upstreamResponse: Thing,
              response: Thing,
              toUpstream: () => ({ method: 'GET', path: '/' }),
              toClient: thing => thing,
              ...isPassed
            })
            app.compose({
              url: `/composed${suffix}`,
              response: Type.Object({}),
              parts: { part: { ...part, required: true } },
              toClient: () => ({})
            })
            if (suffix === '')
              app.compose({
                url: '/optional',
                response: Type.Object({}),
                parts: { part },
                toClient: () => ({})
              })
          }
        }
      }
    }
  })
  return {
    ask: (route: string) => call(`${gateway.url}/t${route}`),
    answer(status: number, headers: Record<string, string | string[]>) {
      answered = [status, headers]
    }
  }
}
