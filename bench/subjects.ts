import type { Request } from 'autocannon'

/** What is measured: a process, and the requests that it gets. */
export interface Subject {
  name: string
  /** A script of bench/subjects, started with UPSTREAM, ISSUER and REDIS_URL in its environment, and these. */
  script: string
  env?: Record<string, string>
  requests: Request[]
  /** The answer's status; 200 if not given. */
  status?: number
}

/** Authorization headers, ten a consumer, by the tier that the token names. */
export interface Tokens {
  premium: string[]
  exact: string[]
}

const newOrder = JSON.stringify({
  orderItems: [{ id: 'p-1', qty: 3, unitPrice: '0.10' }],
  shipping: { street: '1 Road', city: 'London', region: 'LDN', postalCode: 'N1', countryCode: 'GB' }
})

/** The same token with a signature that is not its own. */
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
  const postOrder: Request = {
    path: '/api/v1/orders',
    method: 'POST',
    body: newOrder,
    headers: { 'content-type': 'application/json' }
  }

  const postPlain: Request = { ...postOrder, path: '/plain/1' }

  // More than are remembered.
  const manyForged = premium.flatMap(token => ['a', 'b', 'c', 'd'].map(end => forge(token) + end))
  // Without line and metrics, as what it is compared with.
  const quiet = { env: { QUIET: '1' } }
  const unrecorded = { env: { SEEN: 'line,metrics' } }

  return [
    // What Node costs at the least, and what a bare Fastify proxy costs.
    { name: 'floor', script: 'floor.ts', requests: [{ path: '/products/1' }] },
    // The same with the headers that a gateway has to send, and one that only refuses.
    { name: 'floor, saying', script: 'floor.ts', env: { SAYS: '1' }, requests: [{ path: '/products/1' }] },
    {
      name: 'floor, refusing',
      script: 'floor.ts',
      env: { REFUSES: '1' },
      requests: withTokens(premium, { path: '/products/1' }),
      status: 401
    },
    { name: 'bare', script: 'bare.ts', requests: [{ path: '/products/1' }] },
    sluice('plain', { path: '/plain/1' }, quiet),
    { name: 'floor, 1 KiB', script: 'floor.ts', requests: [{ path: '/products/large' }] },
    { name: 'bare, 1 KiB', script: 'bare.ts', requests: [{ path: '/products/large' }] },
    sluice('plain, 1 KiB', { path: '/plain/large' }, quiet),
    sluice('plain, 5000 routes', { path: '/plain/1' }, { env: { ...quiet.env, ROUTES: '5000' } }),
    // What it costs to see an exchange afterwards, over `plain`; and with bodies.
    sluice('seen, line', { path: '/plain/1' }, { env: { ...quiet.env, SEEN: 'line' } }),
    sluice('seen, recorder', { path: '/plain/1' }, { env: { ...quiet.env, SEEN: 'recorder' } }),
    sluice('seen, both', { path: '/plain/1' }, { env: { ...quiet.env, SEEN: 'line,recorder' } }),
    sluice('stack, unseen', withTokens(premium, { path: '/everything/o-1' }), quiet),
    sluice('stack, line', withTokens(premium, { path: '/everything/o-1' }), {
      env: { ...quiet.env, SEEN: 'line' }
    }),
    sluice('stack, recorder', withTokens(premium, { path: '/everything/o-1' }), {
      env: { ...quiet.env, SEEN: 'recorder' }
    }),
    sluice('stack, both', withTokens(premium, { path: '/everything/o-1' }), {
      env: { ...quiet.env, SEEN: 'line,recorder' }
    }),
    sluice('unseen POST', postPlain, quiet),
    sluice('seen POST, both', postPlain, { env: { ...quiet.env, SEEN: 'line,recorder' } }),
    // Each pattern alone.
    sluice('jwt', withTokens(premium, { path: '/jwt/1' })),
    sluice('rate-limit', { path: '/limit/1' }),
    sluice('rate-limit, exact', { path: '/limit-exact/1' }),
    sluice('transform', { path: '/transform/o-1' }),
    // All of them, with the log line and the metrics; and what the recorder adds.
    sluice('everything', withTokens(premium, { path: '/everything/o-1' }), unrecorded),
    sluice('everything, exact', withTokens(exact, { path: '/everything/o-1' }), unrecorded),
    sluice('everything, recorded', withTokens(premium, { path: '/everything/o-1' })),
    // The reference gateway's routes.
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
    // What is refused.
    sluice('refused, 401', withTokens(premium.map(forge), { path: '/jwt/1' }), { status: 401 }),
    sluice('refused, 401, each anew', withTokens(manyForged, { path: '/jwt/1' }), { status: 401 }),
    sluice('refused, 429', { path: '/refused/1' }, { status: 429 }),
    sluice('refused, open breaker', { path: '/broken/1' }, { status: 503 })
  ]
}
