import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parse } from 'yaml'
import { buildGo } from '../go.ts'

/** Renders the chart with the packages of Helm. */

export const chart = join(import.meta.dirname, '../../deploy/helm')
const PROGRAM = join(import.meta.dirname, '../../.tap/helm-renderer')

export interface Rendered {
  resources: Resource[]
  notes: string
  /** Why the chart does not render. */
  error: string
  /** Warnings and errors of the linter. */
  lint: string[]
}

export interface Resource {
  apiVersion: string
  kind: string
  metadata: { name: string; labels: Record<string, string> }
  spec: any
  data?: Record<string, string>
}

/** Values that every release must set. */
export const REQUIRED = {
  image: { repository: 'registry.example/shop/gateway', tag: '1.0.0' },
  secrets: { ADMIN_TOKEN: { secret: 'gateway', key: 'admin-token' } }
}

/** Builds the program if its sources have changed: for about a minute the first time. */
export function buildRenderer(): void {
  // Without optimizations, the packages of Kubernetes compile in half the time.
  buildGo(join(import.meta.dirname, 'helm'), PROGRAM, ['-gcflags=k8s.io/...=-N -l'])
}

/** Renders a release in the namespace `shop` once for each set of values. */
export function renderChart(cases: object[], kubeVersion = '1.34.0', release = 'gateway'): Rendered[] {
  buildRenderer()
  const input = JSON.stringify({ chart, kubeVersion, release, cases })
  const { status, stdout, stderr } = spawnSync(PROGRAM, { input, encoding: 'utf8', maxBuffer: 2 ** 26 })
  if (status !== 0) throw new Error(`the chart cannot be rendered: ${stderr}`)
  const results: { documents: Record<string, string[]> | null; error: string; lint: string[] }[] =
    JSON.parse(stdout)
  return results.map(({ documents, error, lint }) => {
    const { 'NOTES.txt': [notes = ''] = [], ...files } = documents ?? {}
    return {
      resources: Object.values(files)
        .flat()
        .map(text => parse(text)),
      notes,
      error,
      lint
    }
  })
}

/** Returns the only resource of a kind. */
export function resourceOf({ resources }: Rendered, kind: string, name?: string): Resource {
  const [found, ...others] = resources.filter(
    ({ kind: own, metadata }) => own === kind && (name === undefined || metadata.name === name)
  )
  if (found === undefined || others.length > 0) throw new Error(`${others.length + 1} resources ${kind}`)
  return found
}
