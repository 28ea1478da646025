import type { FastifyInstance } from 'fastify'
import { appState } from '../app-state.ts'

/**
 * Runs the hooks of `scope` for 404 and 405 below its prefix too, unless its routes set a handler of their own for them.
 * Does nothing without the plugin `problem`: the app's own handler then answers, with the app's hooks.
 */
export function answerUnrouted(scope: FastifyInstance): void {
  const prefixes = appState(scope, 'not-found', () => new Set<string>())
  if (scope.sendUnrouted === undefined || prefixes.has(scope.prefix)) return
  prefixes.add(scope.prefix)
  try {
    scope.setNotFoundHandler(scope.sendUnrouted)
  } catch (error) {
    if (!(error as Error).message.startsWith('Not found handler already set')) throw error
  }
}
