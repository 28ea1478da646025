import type { FastifyInstance, onRouteHookHandler } from 'fastify'
import findMyWay, { type HTTPMethod } from 'find-my-way'
import { appState } from '../app-state.ts'
import { isHidden } from './hidden-route.ts'

/** The routes of an app by method and pattern, for 405 responses and for paths that could reach another route. */
export interface RouteTable {
  /** Returns the pattern of the route that matches `path`, whatever its version; undefined if there is no such route. */
  patternAt(method: string, path: string): string | undefined
  /** Returns the methods that have a route for `path`, sorted. */
  methodsAt(path: string): string[]
}

/**
 * Returns the app's table. It contains the routes that are added to a scope, or below it, after the first call with that
 * scope.
 */
export function routeTable(scope: FastifyInstance): RouteTable {
  const { table, add } = appState(scope, 'route-table', createRouteTable)
  scope.addHook('onRoute', add)
  return table
}

function createRouteTable(): { table: RouteTable; add: onRouteHookHandler } {
  const methods = new Set<HTTPMethod>()
  const routes = findMyWay()
  const patternAt = (method: string, path: string) =>
    routes.find(method as HTTPMethod, path)?.store as string | undefined

  // Idempotent, since a scope and its parent may both add the same route.
  const add: onRouteHookHandler = route => {
    const { method, url, config } = route
    // Hidden routes, such as those of CORS preflights, are not resources.
    if (config?.isCatchAll || isHidden(route)) return
    for (const one of [method].flat() as HTTPMethod[]) {
      methods.add(one)
      if (!routes.hasRoute(one, url)) routes.on(one, url, () => {}, url)
    }
  }
  const methodsAt = (path: string) =>
    [...methods].filter(method => patternAt(method, path) !== undefined).sort()

  return { table: { patternAt, methodsAt }, add }
}
