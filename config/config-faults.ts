import { type ConfigFault, isObject } from '../schemas/options/faults.ts'
import { listenFaults } from '../schemas/options/listen.ts'
import { nameFaults, unknownName } from '../schemas/options/named.ts'
import { upstreamsFaults } from '../schemas/options/upstreams.ts'
import { versionFaults } from '../schemas/options/version-faults.ts'

/** Returns the faults of a config that its schema cannot express: names, and options that depend on each other. */
export function configFaults(config: Record<string, unknown>): ConfigFault[] {
  const { issuers, tiers, scopes } = config
  return [
    ...nameFaults('/issuers', issuers),
    ...nameFaults('/tiers', tiers),
    ...nameFaults('/scopes', scopes),
    ...upstreamsFaults(config.upstreams),
    ...members(scopes).flatMap(([name, scope]) => referenceFaults(`/scopes/${name}`, scope, issuers, tiers)),
    ...members(scopes).flatMap(([name, scope]) => versionFaults(`/scopes/${name}`, scope)),
    ...listenFaults(config.listen)
  ]
}

/** Returns a fault for each issuer and tier of a scope that does not exist. */
function referenceFaults(
  pointer: string,
  { jwt, rateLimit }: Record<string, unknown>,
  issuers: unknown,
  tiers: unknown
): ConfigFault[] {
  const { address, consumer } = isObject(rateLimit) ? rateLimit : {}
  const faults = [
    ...referenceFault(`${pointer}/jwt`, 'issuer', jwt, issuers),
    ...referenceFault(`${pointer}/rateLimit/address`, 'tier', address, tiers),
    ...referenceFault(`${pointer}/rateLimit/consumer`, 'tier', consumer, tiers)
  ]
  if (consumer !== undefined && jwt === undefined)
    faults.push({
      path: `${pointer}/rateLimit/consumer`,
      message: 'needs jwt: without a token there is no consumer'
    })
  return faults
}

function referenceFault(path: string, kind: string, name: unknown, group: unknown): ConfigFault[] {
  const known = isObject(group) ? Object.keys(group) : []
  return typeof name !== 'string' || known.includes(name)
    ? []
    : [{ path, message: unknownName(kind, name, known) }]
}

/** Returns the entries of `group` that are objects. The schema reports the others. */
function members(group: unknown): [name: string, member: Record<string, unknown>][] {
  return Object.entries(isObject(group) ? group : {}).flatMap(([name, member]) =>
    isObject(member) ? [[name, member]] : []
  )
}
