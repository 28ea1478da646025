import type { IncomingMessage } from 'node:http'
import type { FastifyInstance } from 'fastify'
import { appState } from '../app-state.ts'
import type { Selector } from './selection.ts'

interface SharedPath {
  path: string
  select(request: IncomingMessage): string | undefined
}

/**
 * Adds a path at which something else than the path selects the version. The router's constraint `apiVersion` asks
 * there. An app without such a path pays nothing for it.
 */
export function addSharedPath(
  app: FastifyInstance,
  path: string,
  select: Selector | undefined,
  fallback: string | undefined
): void {
  const paths = appState(app, 'versions.shared', () => {
    const paths: SharedPath[] = []
    addConstraint(app, paths)
    return paths
  })
  paths.push({
    path,
    select(request) {
      const selected = select?.(request) ?? fallback
      return typeof selected === 'string' ? selected : undefined
    }
  })
  // The longest first: one may begin with another.
  paths.sort((a, b) => b.path.length - a.path.length)
}

function addConstraint(app: FastifyInstance, paths: SharedPath[]): void {
  app.addConstraintStrategy({
    name: 'apiVersion',
    storage: () => new Map() as never,
    mustMatchWhenDerived: false,
    validate: () => {},
    deriveConstraint: ((request: IncomingMessage) => {
      const url = request.url as string
      for (const { path, select } of paths)
        if (url.startsWith(path) && isSegmentEnd(url.charCodeAt(path.length))) return select(request)
      return undefined
    }) as never
  })
}

const SLASH = 47
const QUESTION_MARK = 63

function isSegmentEnd(code: number): boolean {
  return code === SLASH || code === QUESTION_MARK || Number.isNaN(code)
}
