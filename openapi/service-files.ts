import type { FastifyInstance } from 'fastify'
import { appState } from '../app-state.ts'

/** Returns the paths of the documents of an app's services, by upstream. */
export function serviceFiles(app: FastifyInstance): Map<string, string> {
  return appState(app, 'openapi.service-files', () => new Map<string, string>())
}
