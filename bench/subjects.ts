import type { Request } from 'autocannon'

/** What is measured: a process, and the requests that it gets. */
export interface Subject {
  name: string
  /** A script of bench/subjects, started with UPSTREAM, ISSUER and REDIS_URL (if `redis`) in its environment. */
  script: string
  redis?: boolean
  requests: Request[]
}

export interface Tokens {
  authorization: string[]
}

const newOrder = JSON.stringify({
  orderItems: [{ id: 'p-1', qty: 3, unitPrice: '0.10' }],
  shipping: { street: '1 Road', city: 'London', region: 'LDN', postalCode: 'N1', countryCode: 'GB' }
})

/** `tokens`: one for each of the consumers that send the requests of a subject behind JWT. */
export function createSubjects({ authorization }: Tokens): Subject[] {
  const withToken = (request: Request): Request[] =>
    authorization.map(token => ({ ...request, headers: { ...request.headers, authorization: token } }))

  return [
    { name: 'floor', script: 'floor.ts', requests: [{ path: '/products/1' }] },
    { name: 'plain', script: 'sluice.ts', requests: [{ path: '/plain/1' }] },
    { name: 'GET products', script: 'sluice.ts', requests: [{ path: '/api/v1/products/1' }] },
    {
      name: 'GET users',
      script: 'sluice.ts',
      requests: authorization.map((token, i) => ({
        path: `/api/v1/users/u-${i}`,
        headers: { authorization: token }
      }))
    },
    { name: 'GET orders', script: 'sluice.ts', requests: withToken({ path: '/api/v1/orders/o-1' }) },
    {
      name: 'POST orders',
      script: 'sluice.ts',
      requests: withToken({
        path: '/api/v1/orders',
        method: 'POST',
        body: newOrder,
        headers: { 'content-type': 'application/json' }
      })
    },
    { name: 'GET dashboard', script: 'sluice.ts', requests: withToken({ path: '/api/v1/dashboard' }) }
  ]
}
