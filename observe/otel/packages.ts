import { exporterOf } from './environment.ts'

/** Loads the API and the SDK's tracing. The SDK is an optional peer, so nothing else of the gateway imports it. */
export async function loadTracing() {
  const [api, sdk, resources] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace'),
    import('@opentelemetry/resources')
  ])
  return { api, sdk, resources }
}

export type Tracing = Awaited<ReturnType<typeof loadTracing>>

export function loadMetrics() {
  return import('@opentelemetry/sdk-metrics')
}

/** Loads the exporter of the protocol that the environment names. The exporters of all protocols have the same types. */
export function loadTraceExporter(): Promise<typeof import('@opentelemetry/exporter-trace-otlp-http')> {
  return import(exporterOf('trace'))
}

export function loadMetricsExporter(): Promise<typeof import('@opentelemetry/exporter-metrics-otlp-http')> {
  return import(exporterOf('metrics'))
}

/**
 * Checks that the packages are installed that tracing needs, and with `metrics` those of its metrics.
 * @throws with the command that installs all that are missing
 */
export function checkPackages(metrics: boolean): void {
  const names = ['@opentelemetry/sdk-trace', '@opentelemetry/resources', exporterOf('trace')]
  if (metrics) names.push('@opentelemetry/sdk-metrics', exporterOf('metrics'))
  const missing = names.filter(name => !isInstalled(name))
  if (missing.length > 0)
    throw new Error(`otel needs ${missing.join(', ')}: npm install ${missing.join(' ')}`)
}

function isInstalled(name: string): boolean {
  try {
    return import.meta.resolve(name) !== ''
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND') return false
    throw error
  }
}
