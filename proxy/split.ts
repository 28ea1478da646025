import { consumerOf } from '../auth/consumer.ts'
import { clientAddress } from '../http/client-address.ts'
import type { Exchange } from '../http/exchange.ts'
import type { SplitOptions } from '../schemas/options/upstreams.ts'
import { hashOf } from './endpoints/balance/hash.ts'
import { stickyHeader } from './headers.ts'
import type { Upstream } from './upstream-types.ts'

/**
 * Sends a ratio of an upstream's calls to other upstreams, such as a canary. A hash keeps each client on one side, so gateways
 * agree without communication, and a growing ratio moves clients in one direction only. Each side has its own policies: a
 * canary that is down affects only its ratio.
 */
export function splitUpstream(
  upstream: Upstream,
  { by, to, override }: SplitOptions,
  sideOf: (name: string) => Upstream
): Upstream {
  const { name } = upstream
  const sides = Object.entries(to).map(([side, percent]) => ({ upstream: sideOf(side), percent }))
  const byName = new Map([upstream, ...sides.map(side => side.upstream)].map(side => [side.name, side]))
  const header = by.startsWith('header:') ? by.slice('header:'.length) : undefined

  return {
    ...upstream,
    bases: [...byName.values()].flatMap(({ bases }) => bases),
    request: (request, callback) => choose(request.exchange).request(request, callback),
    // Random splits are not sticky.
    ...(by !== 'random' && { sideOf: exchange => choose(exchange).name })
  }

  function choose(exchange: Exchange): Upstream {
    if (override !== undefined) {
      const wanted = exchange.reply.request.headers[override]
      const side = typeof wanted === 'string' ? byName.get(wanted) : undefined
      if (side !== undefined) return side
    }
    let place = placeOf(exchange)
    if (place === undefined) return upstream
    for (const side of sides) {
      if (place < side.percent) return side.upstream
      place -= side.percent
    }
    return upstream
  }

  /** 0 to 100. Undefined for a request without the header that chooses the side. */
  function placeOf({ reply: { request } }: Exchange): number | undefined {
    if (by === 'random') return Math.random() * 100
    const key =
      header === undefined
        ? (consumerOf(request) ?? clientAddress(request))
        : stickyHeader(request, header, request.headers)
    // Includes the name, so that different splits select different clients.
    return key === undefined ? undefined : (hashOf(`${name} ${key}`) / 2 ** 32) * 100
  }
}
