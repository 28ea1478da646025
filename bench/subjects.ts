import type { Request } from 'autocannon'

/** A process to measure, and the requests to send to it. */
export interface Subject {
  name: string
  /** A script of bench/subjects. Its environment has UPSTREAM, ISSUER and REDIS_URL besides `env`. */
  script: string
  env?: Record<string, string>
  requests: Request[]
  /** Expected status. Default: 200. */
  status?: number
}

/** Authorization headers by the tier in the token, ten per consumer. */
export interface Tokens {
  premium: string[]
  exact: string[]
}

const newOrder = JSON.stringify({
  orderItems: [{ id: 'p-1', qty: 3, unitPrice: '0.10' }],
  shipping: { street: '1 Road', city: 'London', region: 'LDN', postalCode: 'N1', countryCode: 'GB' }
})

/** Replaces the signature of a token. */
function forge(authorization: string): string {
  return `${authorization.slice(0, authorization.lastIndexOf('.') + 1)}${'A'.repeat(342)}`
}

export function createSubjects({ premium, exact }: Tokens): Subject[] {
  const withTokens = (tokens: string[], request: Request): Request[] =>
    tokens.map(authorization => ({ ...request, headers: { ...request.headers, authorization } }))
  const sluice = (name: string, requests: Request | Request[], more: Partial<Subject> = {}): Subject => ({
    name,
    script: 'sluice.ts',
    requests: [requests].flat(),
    ...more
  })
  const observing = (what: string) => ({ env: { OBSERVE: what } })
  const postOrder: Request = {
    path: '/api/v1/orders',
    method: 'POST',
    body: newOrder,
    headers: { 'content-type': 'application/json' }
  }
  const plain: Request = { path: '/plain/1' }
  const postPlain: Request = { ...postOrder, path: '/plain/1' }
  const full = withTokens(premium, { path: '/everything/o-1' })
  // More tokens than the cache of rejected tokens holds.
  const manyForged = premium.flatMap(token => ['a', 'b', 'c', 'd'].map(end => forge(token) + end))

  return [
    // Lower bounds: the least that Node needs, and a proxy on plain Fastify.
    { name: 'floor', script: 'floor.ts', requests: [{ path: '/products/1' }] },
    {
      name: 'floor, gateway headers',
      script: 'floor.ts',
      env: { GATEWAY_HEADERS: '1' },
      requests: [{ path: '/products/1' }]
    },
    {
      name: 'floor, 401',
      script: 'floor.ts',
      env: { REJECT: '1' },
      requests: withTokens(premium, { path: '/products/1' }),
      status: 401
    },
    { name: 'http-proxy', script: 'http-proxy.ts', requests: [{ path: '/products/1' }] },
    sluice('plain', plain, observing('')),
    { name: 'floor, 1 KiB', script: 'floor.ts', requests: [{ path: '/products/large' }] },
    { name: 'http-proxy, 1 KiB', script: 'http-proxy.ts', requests: [{ path: '/products/large' }] },
    sluice('plain, 1 KiB', { path: '/plain/large' }, observing('')),
    sluice('plain, 5000 routes', plain, { env: { OBSERVE: '', ROUTES: '5000' } }),
    // Log and recorder, on a forwarding route and on the full stack.
    sluice('plain, log', plain, observing('log')),
    sluice('plain, recorder', plain, observing('recorder')),
    sluice('plain, log and recorder', plain, observing('log,recorder')),
    sluice('stack', full, observing('')),
    sluice('stack, log', full, observing('log')),
    sluice('stack, recorder', full, observing('recorder')),
    sluice('stack, log and recorder', full, observing('log,recorder')),
    // Traces, at each share that is sampled.
    ...['0', '0.01', '1'].flatMap(TRACES => [
      sluice(`plain, traces ${TRACES}`, plain, { env: { OBSERVE: '', TRACES } }),
      sluice(`stack, traces ${TRACES}`, full, { env: { OBSERVE: '', TRACES } })
    ]),
    sluice('POST plain', postPlain, observing('')),
    sluice('POST plain, log and recorder', postPlain, observing('log,recorder')),
    // Each pattern alone.
    sluice('jwt', withTokens(premium, { path: '/jwt/1' })),
    sluice('rate-limit', { path: '/limit/1' }),
    sluice('rate-limit, exact', { path: '/limit-exact/1' }),
    sluice('transform', { path: '/transform/o-1' }),
    // All patterns together with log and metrics.
    sluice('everything', full, observing('log,metrics')),
    sluice('everything, exact', withTokens(exact, { path: '/everything/o-1' }), observing('log,metrics')),
    sluice('everything, recorded', full),
    // Routes of the example gateway.
    sluice('GET products', { path: '/api/v1/products/1' }),
    sluice(
      'GET users',
      premium.map((authorization, i) => ({
        path: `/api/v1/users/u-${i % (premium.length / 10)}`,
        headers: { authorization }
      }))
    ),
    sluice('GET orders', withTokens(premium, { path: '/api/v1/orders/o-1' })),
    sluice('POST orders', withTokens(premium, postOrder)),
    sluice('GET dashboard', withTokens(premium, { path: '/api/v1/dashboard' })),
    sluice('rejected, 401', withTokens(premium.map(forge), { path: '/jwt/1' }), { status: 401 }),
    sluice('rejected, 401, uncached', withTokens(manyForged, { path: '/jwt/1' }), { status: 401 }),
    sluice('rejected, 429', { path: '/rejected/1' }, { status: 429 }),
    sluice('rejected, open breaker', { path: '/broken/1' }, { status: 503 })
  ]
}
