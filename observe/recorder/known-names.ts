import type { RouteOptions } from 'fastify'
import { createProblem } from '../../http/problem.ts'
import { didYouMean } from '../../schemas/options/did-you-mean.ts'

/** Names of the app's scopes, upstreams and routes. */
export interface KnownNames {
  scope: string[]
  upstream: string[]
  route: string[]
}

const NoSuchName = createProblem(
  'SLUICE_NO_SUCH_NAME',
  'The gateway has no such scope, upstream or route',
  400
)

export function namesOf(
  routes: readonly RouteOptions[],
  upstreams: readonly { readonly name: string }[]
): KnownNames {
  const served = routes.filter(({ config }) => !config?.isCatchAll)
  return {
    scope: [...new Set(served.flatMap(({ config }) => config?.scope ?? []))],
    upstream: upstreams.map(({ name }) => name),
    route: [...new Set(served.map(({ url }) => url))]
  }
}

/**
 * Rejects a filter that no exchange can match. Captures are not checked: they may wait for a route of the next reload, and
 * they expire.
 * @throws SLUICE_NO_SUCH_NAME (400) for an unknown scope, upstream or route
 */
export function assertKnown(wanted: Partial<Record<keyof KnownNames, string>>, known: KnownNames): void {
  for (const kind of Object.keys(known) as (keyof KnownNames)[]) {
    const name = wanted[kind]
    if (name === undefined || known[kind].includes(name)) continue
    const shown = known[kind].slice(0, MAX_SHOWN).join(', ') || 'none'
    const more = known[kind].length > MAX_SHOWN ? ' …' : ''
    const message = `must be one of ${shown}${more}${didYouMean(name, known[kind])}`
    throw new NoSuchName({ members: { errors: [{ path: `/${kind}`, message }] } })
  }
}

const MAX_SHOWN = 20
