import type { FastifyInstance } from 'fastify'

/**
 * State that several scopes of one app share, such as the keys of an issuer that two scopes accept. Encapsulation would
 * give each scope its own. This is the only module-level state; it goes with the app's server.
 */
const states = new WeakMap<object, Map<string, unknown>>()

/** Returns the app's state of that name. The first call creates it. */
export function appState<State>(app: FastifyInstance, name: string, create: () => State): State {
  let byName = states.get(app.server)
  if (byName === undefined) {
    byName = new Map()
    states.set(app.server, byName)
  }
  if (!byName.has(name)) byName.set(name, create())
  return byName.get(name) as State
}
