import { exporterOf } from './environment.ts'

/** Loads the API and the SDK's tracing. The SDK is an optional peer, so nothing else of the gateway imports it. */
export async function loadTracing() {
  const [api, sdk, resources] = await Promise.all([
    load<typeof import('@opentelemetry/api')>('@opentelemetry/api'),
    load<typeof import('@opentelemetry/sdk-trace')>('@opentelemetry/sdk-trace'),
    load<typeof import('@opentelemetry/resources')>('@opentelemetry/resources')
  ])
  return { api, sdk, resources }
}

export type Tracing = Awaited<ReturnType<typeof loadTracing>>

export function loadMetrics() {
  return load<typeof import('@opentelemetry/sdk-metrics')>('@opentelemetry/sdk-metrics')
}

/** Loads the exporter of the protocol that the environment names. The exporters of all protocols have the same types. */
export function loadTraceExporter() {
  return load<typeof import('@opentelemetry/exporter-trace-otlp-http')>(exporterOf('trace'))
}

export function loadMetricsExporter() {
  return load<typeof import('@opentelemetry/exporter-metrics-otlp-http')>(exporterOf('metrics'))
}

/** @throws with the command that installs a package that is missing */
async function load<Module>(name: string): Promise<Module> {
  try {
    return await import(name)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ERR_MODULE_NOT_FOUND' && message.includes(`'${name}'`))
      throw new Error(`otel needs ${name}: npm install ${name}`, { cause: error })
    throw error
  }
}
