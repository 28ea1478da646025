import type { FastifyInstance } from 'fastify'
import t, { type Test } from 'tap'
import Type from 'typebox'
import { buildAdmin } from '../../admin/admin.ts'
import compose from '../../plugins/compose.ts'
import forward from '../../plugins/forward.ts'
import { path } from '../../proxy/path-template.ts'
import { call, startGateway, startService } from '../harness.ts'
import { type Issuer, startIssuer } from '../issuer.ts'

/** A subject is unique for one issuer only: here two issuers have an `ada`. */

t.test('limits separate the users of two issuers', async t => {
  const { shop, partner } = await startBoth(t)
  for (let i = 0; i < 2; i++) t.equal((await shop.ask('/forwarded')).status, 200)
  t.equal((await shop.ask('/forwarded')).status, 429)
  t.equal((await partner.ask('/forwarded')).status, 200)
})

t.test('services learn the issuer of a user', async t => {
  const { shop, partner } = await startBoth(t)
  for (const { ask, issuer } of [shop, partner]) {
    const { json } = await ask('/forwarded', { 'x-user-issuer': 'https://mine.example' })
    t.match(json.headers, { 'x-user-id': 'ada', 'x-user-issuer': issuer })
  }
})

t.test('a composed part is not cached for the user of another issuer', async t => {
  const { shop, partner } = await startBoth(t)
  t.equal((await shop.ask('/composed')).json.part.headers['x-user-issuer'], shop.issuer)
  t.equal((await partner.ask('/composed')).json.part.headers['x-user-issuer'], partner.issuer)
})

t.test('captures, the recorder and its filter separate the users of two issuers', async t => {
  const { shop, partner, admin } = await startBoth(t)
  const capture = await admin('/captures', { consumer: 'partner/ada' })
  await shop.ask('/forwarded')
  await partner.ask('/forwarded')
  const captured = await admin(`/captures/${capture.id}`)
  t.strictSame(captured.exchanges.map(consumerOf), ['partner/ada'])
  t.strictSame((await admin('/exchanges')).map(consumerOf), ['partner/ada', 'shop/ada'])
  t.strictSame((await admin('/exchanges?consumer=shop/ada')).map(consumerOf), ['shop/ada'])
  t.strictSame(await admin('/exchanges?consumer=ada'), [])
})

t.test("x-user-id is the consumer for stickiness and splits, and never the client's own header", async t => {
  const { shop, partner } = await startBoth(t)
  for (const route of ['/hashed', '/split']) {
    const at = async (one: typeof shop, sub: string) =>
      (await one.ask(route, { 'x-user-id': `${Math.random()}` }, sub)).json.name
    const sides = new Map<string, string>()
    for (let n = 0; n < 24; n++)
      for (const one of [shop, partner]) {
        const first = await at(one, `user-${n}`)
        t.equal(await at(one, `user-${n}`), first, 'stays')
        sides.set(`${one.issuer} ${n}`, first)
      }
    const differing = [...Array(24).keys()].filter(
      n => sides.get(`${shop.issuer} ${n}`) !== sides.get(`${partner.issuer} ${n}`)
    )
    t.ok(differing.length > 0, `${route}: not by the subject alone`)
  }
})

t.test('with one issuer, also under two names, the consumer is the subject', async t => {
  const issuer = await startIssuer(t)
  const options = { issuer: issuer.issuer, audience: 'api://gateway' }
  const { gateway, url } = await startGateway(t, {
    issuers: { one: options, same: options },
    recorder: { size: 10 },
    scopes: { me: { prefix: '/me', jwt: 'same', routes: async app => void app.get('/', ({ user }) => user) } }
  })
  const { json } = await call(`${url}/me`, { headers: { authorization: `Bearer ${await issuer.sign()}` } })
  t.strictSame(json, { sub: 'ada', roles: [], permissions: [], tier: 'free' })
  t.equal(gateway.recorder?.list({ limit: 1 })[0]?.consumer, 'ada')
})

t.test('a token without tier has the tier of the scope, also for services', async t => {
  const issuer = await startIssuer(t)
  const service = await startService(t, (request, response) =>
    response.setHeader('content-type', 'application/json').end(JSON.stringify(request.headers))
  )
  const scope = (prefix: string, consumer?: string) => ({
    prefix,
    jwt: 'test',
    ...(consumer && { rateLimit: { consumer } }),
    routes: async (app: FastifyInstance) => {
      await app.register(forward)
      app.forward({ method: 'GET', url: '/', upstream: 'things', prefix: '/' })
    }
  })
  const tier = (limit: number) => ({ limits: [{ limit, window: 60_000 }] })
  const { url } = await startGateway(t, {
    issuers: { test: { issuer: issuer.issuer, audience: 'api://gateway' } },
    upstreams: { things: { url: service } },
    tiers: { free: tier(1), standard: tier(2), premium: tier(3) },
    scopes: { a: scope('/a', 'standard'), b: scope('/b', 'premium'), c: scope('/c') }
  })
  for (const [claims, path, policy, told] of [
    [{}, '/a', '"standard";q=2;w=60', 'standard'],
    [{}, '/b', '"premium";q=3;w=60', 'premium'],
    [{}, '/c', null, 'free'],
    [{ tier: 'free' }, '/a', '"free";q=1;w=60', 'free'],
    [{ tier: 'premium' }, '/a', '"premium";q=3;w=60', 'premium'],
    [{ tier: 'constructor' }, '/a', '"standard";q=2;w=60', 'constructor']
  ] as const) {
    const authorization = `Bearer ${await issuer.sign(claims)}`
    const { headers, json } = await call(url + path, { headers: { authorization } })
    t.equal(headers.get('ratelimit-policy'), policy, JSON.stringify([claims, path]))
    t.equal(json['x-user-tier'], told)
  }
})

function consumerOf({ consumer }: { consumer: string }): string {
  return consumer
}

async function startBoth(t: Test) {
  const [shop, partner] = await Promise.all([startIssuer(t), startIssuer(t)])
  const named = (name: string) =>
    startService(t, (request, response) =>
      response
        .setHeader('content-type', 'application/json')
        .end(JSON.stringify({ name, headers: request.headers }))
    )
  const [one, other] = await Promise.all([named('one'), named('other')])
  const forwarding = (upstream: string) => async (app: FastifyInstance) => {
    await app.register(forward)
    app.forward({ method: 'GET', url: '/', upstream, prefix: '/' })
  }
  const composing = async (app: FastifyInstance) => {
    await app.register(compose)
    app.compose({
      url: '/',
      response: Type.Object({ part: Type.Any() }),
      parts: {
        part: {
          upstream: 'things',
          required: true,
          upstreamResponse: Type.Any(),
          path: () => path`/${'part'}`,
          cache: { ttl: 60_000 }
        }
      },
      toClient: parts => parts
    })
  }
  const scopesOf = (jwt: string) => ({
    [`${jwt}-forwarded`]: {
      prefix: `/${jwt}/forwarded`,
      jwt,
      rateLimit: { consumer: 'two' },
      routes: forwarding('things')
    },
    [`${jwt}-composed`]: { prefix: `/${jwt}/composed`, jwt, routes: composing },
    [`${jwt}-hashed`]: { prefix: `/${jwt}/hashed`, jwt, routes: forwarding('hashed') },
    [`${jwt}-split`]: { prefix: `/${jwt}/split`, jwt, routes: forwarding('split') }
  })
  const { gateway, url } = await startGateway(t, {
    issuers: {
      shop: { issuer: shop.issuer, audience: 'api://gateway' },
      partner: { issuer: partner.issuer, audience: 'api://gateway' }
    },
    recorder: { size: 100 },
    tiers: { two: { limits: [{ limit: 2, window: 60_000 }] } },
    upstreams: {
      things: { url: one },
      other: { url: other },
      hashed: {
        endpoints: [{ url: one }, { url: other }],
        balance: { policy: 'hash', hash: { header: 'x-user-id' } }
      },
      split: { url: one, split: { by: 'header:x-user-id', to: { other: 50 } } }
    },
    scopes: { ...scopesOf('shop'), ...scopesOf('partner') }
  })
  const adminSide = await buildAdmin(gateway, () => false)
  t.teardown(() => adminSide.close())
  const adminUrl = await adminSide.listen({ port: 0, host: '127.0.0.1' })
  const as = (name: string, issuer: Issuer) => ({
    issuer: issuer.issuer,
    ask: async (route: string, headers: object = {}, sub = 'ada') =>
      call(`${url}/${name}${route}`, {
        headers: { ...headers, authorization: `Bearer ${await issuer.sign({ sub })}` }
      })
  })
  return {
    shop: as('shop', shop),
    partner: as('partner', partner),
    admin: async (path: string, body?: object) =>
      (
        await call(
          adminUrl + path,
          body && {
            method: 'POST',
            headers: { 'content-type': 'application/json' },
            body: JSON.stringify(body)
          }
        )
      ).json
  }
}
