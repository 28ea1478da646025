import type { FastifyInstance } from 'fastify'
import { Agent } from 'undici'
import { appState } from '../app-state.ts'
import { lookupOf } from '../http/lookup.ts'
import type { JwtOptions } from '../schemas/options/jwt.ts'
import { createJwks, type Jwks, type JwksState } from './jwks.ts'
import { TokenCache } from './token-cache.ts'
import { listNames } from './user.ts'

/** An issuer of an app, with the state of its keys. */
export interface IssuerState extends JwksState {
  name: string
  url: string
}

/** State of an issuer that the scopes of an app share. */
export interface SharedIssuer {
  name: string
  /** Shared by scopes with the same issuer, `jwksUri` and `jwks`. */
  keys: Jwks
  /** Shared by scopes with the same options. */
  cache: TokenCache
  /**
   * Returns the name and URL that distinguish subjects of several issuers. Undefined while the app has one issuer. Final
   * once the app is ready.
   */
  qualifier(): Qualifier | undefined
}

export interface Qualifier {
  name: string
  url: string
}

interface State {
  /** By issuer URL. The first name of an issuer counts, in the order of registration. */
  qualifiers: Map<string, Qualifier>
  keys: Map<string, Jwks>
  caches: Map<string, TokenCache>
  agent: Agent
}

/**
 * Returns the shared state of the issuer, created for the first scope that accepts it.
 * @throws if another issuer of the app has the same name
 */
export function shareIssuer(fastify: FastifyInstance, options: JwtOptions): SharedIssuer {
  const { issuer: url, name = nameOf(url) } = options
  const state = appState(fastify, 'issuers', () => createState(fastify))
  const { qualifiers } = state
  for (const other of qualifiers.values())
    if (other.name === name && other.url !== url)
      throw new Error(`jwt: the issuers ${other.url} and ${url} are both named '${name}'; set another name`)
  if (!qualifiers.has(url)) qualifiers.set(url, { name, url })

  const { jwksUri, jwks, audience, clockTolerance, cache, claims } = options
  const { refreshAfter, maxStale, cooldown, timeout } = jwks
  const source = JSON.stringify([url, jwksUri, refreshAfter, maxStale, cooldown, timeout])
  const rules = JSON.stringify([source, audience, clockTolerance, cache, listNames(claims)])
  const createKeys = fastify.overrides?.createJwks ?? createJwks
  const keys = getOrAdd(state.keys, source, () =>
    createKeys(options, fastify.log, { dispatcher: state.agent })
  )
  knownIssuers(fastify).set(source, { name, url, keys })
  return {
    name,
    keys,
    cache: getOrAdd(state.caches, rules, () => new TokenCache(cache)),
    qualifier: () => (qualifiers.size > 1 ? qualifiers.get(url) : undefined)
  }
}

/** Returns the issuers of an app, in the order of their scopes. */
export function issuerStates(fastify: FastifyInstance): IssuerState[] {
  return [...knownIssuers(fastify).values()].map(({ name, url, keys }) => ({
    name,
    url,
    ...(keys.state?.() ?? UNUSED)
  }))
}

const UNUSED: JwksState = { state: 'unused', keys: 0 }

/** By issuer, `jwksUri` and `jwks`. */
function knownIssuers(fastify: FastifyInstance): Map<string, Qualifier & { keys: Jwks }> {
  return appState(fastify, 'known-issuers', () => new Map())
}

function createState(fastify: FastifyInstance): State {
  const agent = new Agent({ connect: { lookup: lookupOf(fastify) } })
  // Not awaited: a fetch that hangs would delay the end of the app by its timeout.
  fastify.addHook('onClose', async () => void agent.close())
  return { qualifiers: new Map(), keys: new Map(), caches: new Map(), agent }
}

/** Without a slash, so that `NAME/SUBJECT` cannot be read in two ways. */
function nameOf(issuer: string): string {
  const { host, pathname } = new URL(issuer)
  return `${host}${pathname.replace(/\/+$/, '')}`.toLowerCase().replace(/[^a-z0-9.]+/g, '-')
}

function getOrAdd<Value>(map: Map<string, Value>, key: string, create: () => Value): Value {
  let value = map.get(key)
  if (value === undefined) {
    value = create()
    map.set(key, value)
  }
  return value
}
