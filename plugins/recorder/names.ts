import createError from '@fastify/error'
import type { RouteOptions } from 'fastify'
import { didYouMean } from '../../schemas/did-you-mean.ts'
import type { ProblemError } from '../problem.ts'

/** What an exchange of this gateway can have as its scope, upstream and route. */
export interface KnownNames {
  scope: string[]
  upstream: string[]
  route: string[]
}

const NoSuchName = createError(
  'SLUICE_NO_SUCH_NAME',
  'The gateway has nothing of that name',
  400,
  Error,
  false
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
 * Refuses to follow what cannot come. (A capture may wait for a route that the next reload brings: it has an end.)
 * @throws 400, if the gateway has no scope, upstream or route of that name.
 */
export function demandKnown(wanted: Partial<Record<keyof KnownNames, string>>, known: KnownNames): void {
  for (const kind of Object.keys(known) as (keyof KnownNames)[]) {
    const name = wanted[kind]
    if (name === undefined || known[kind].includes(name)) continue
    const shown = known[kind].slice(0, MAX_SHOWN).join(', ') || 'none'
    const more = known[kind].length > MAX_SHOWN ? ' …' : ''
    const error: ProblemError = new NoSuchName()
    error.problem = {
      errors: [
        {
          path: `/${kind}`,
          message: `must be one of ${shown}${more}${didYouMean(name, known[kind])}`
        }
      ]
    }
    throw error
  }
}

const MAX_SHOWN = 20
