import type { Ending } from '../../harness.ts'
import type { Collector } from './collector.ts'

/** Sets variables of this process for one test. */
export function setEnvironment(t: Ending, variables: Record<string, string>): void {
  for (const [name, value] of Object.entries(variables)) {
    const before = process.env[name]
    process.env[name] = value
    t.teardown(() => {
      if (before === undefined) delete process.env[name]
      else process.env[name] = before
    })
  }
}

/** Has this process export to a collector, at once. */
export function exportTo(t: Ending, { grpc, http }: Collector, protocol: string): void {
  setEnvironment(t, {
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://${protocol === 'grpc' ? grpc : http}`,
    OTEL_EXPORTER_OTLP_PROTOCOL: protocol,
    OTEL_BSP_SCHEDULE_DELAY: '10'
  })
}
