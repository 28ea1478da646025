import createError from '@fastify/error'
import type { RouteOptions } from 'fastify'
import type { ProblemError } from '../../http/problem.ts'
import { didYouMean } from '../../schemas/options/did-you-mean.ts'

/** The scopes, upstreams and routes of this gateway. */
export interface KnownNames {
  scope: string[]
  upstream: string[]
  route: string[]
}

const NoSuchName = createError(
  'SLUICE_NO_SUCH_NAME',
  'The gateway has no such scope, upstream or route',
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
 * Rejects a filter that no exchange can pass. Captures are not checked: they may wait for a route of the next reload,
 * and they end.
 * @throws 400 if the gateway has no scope, upstream or route of that name.
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
