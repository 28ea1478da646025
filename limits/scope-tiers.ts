import type { FastifyInstance } from 'fastify'
import { completeOptions } from '../schemas/options/complete.ts'
import type { ConfigFault } from '../schemas/options/faults.ts'
import { nameFaults, unknownName } from '../schemas/options/named.ts'
import {
  OwnLimitOptions,
  type ScopeLimitOptions,
  TierLimitOptions,
  type TiersOptions,
  TiersOptions as TiersSchema
} from '../schemas/options/rate-limit.ts'
import { limitsOf } from './app-limits.ts'
import type { Tier } from './limiter.ts'

export interface ScopeTiers {
  /** Tier of addresses, and of consumers whose token names no other. */
  own: Tier
  /** Tiers that a token may name. Undefined for limits that the scope has for itself. */
  byName: ReadonlyMap<string, Tier> | undefined
}

/**
 * Returns the tiers of a scope, and adds them to those of the app.
 * @throws SLUICE_INVALID_OPTIONS with every fault
 */
export function tiersOf(fastify: FastifyInstance, input: ScopeLimitOptions): ScopeTiers {
  const limits = limitsOf(fastify)
  if (!isNamed(input)) {
    const { by, name, gateways, keys, ...tier } = completeOptions(OwnLimitOptions, input, 'rateLimit')
    limits.count({ gateways, keys })
    const own =
      name === undefined
        ? limits.addTier(derivedName(by, fastify.prefix), tier, fastify.prefix)
        : limits.addTier(name, tier)
    return { own, byName: undefined }
  }
  const {
    tier: name,
    tiers,
    gateways,
    keys
  } = completeOptions(TierLimitOptions, input, 'rateLimit', badNames)
  limits.count({ gateways, keys })
  const byName =
    tiers === undefined
      ? limits.defined
      : new Map(Object.entries(tiers).map(([name, options]) => [name, limits.addTier(name, options)]))
  const own = byName.get(name)
  if (own === undefined) throw new Error(`rateLimit: ${unknownName('tier', name, [...byName.keys()])}`)
  return { own, byName }
}

/** Defines tiers for all scopes of the app. */
export function defineTiers(fastify: FastifyInstance, input: TiersOptions): void {
  const { tiers, gateways, keys } = completeOptions(TiersSchema, input, 'rateLimit', badNames)
  const limits = limitsOf(fastify)
  limits.count({ gateways, keys })
  for (const [name, options] of Object.entries(tiers)) limits.defineTier(name, options)
}

/** True for options that define tiers and limit nothing. */
export function isDefinition(input: TiersOptions | ScopeLimitOptions): input is TiersOptions {
  return !('by' in input || 'tier' in input || 'limits' in input)
}

function badNames({ tiers }: Record<string, unknown>): ConfigFault[] {
  return nameFaults('/tiers', tiers)
}

function isNamed(input: ScopeLimitOptions): boolean {
  return 'tier' in input || 'tiers' in input
}

/** The same in all workers and after a reload: `/api/orders` by consumer is `api-orders-consumer`. */
function derivedName(by: string, prefix: string): string {
  const path = prefix
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
  return `${path}-${by}`.replace(/^-/, '').slice(-MAX_NAME)
}

/** Characters, as in a config. */
const MAX_NAME = 63
