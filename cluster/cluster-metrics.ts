import { Counter, Gauge, Registry } from 'prom-client'
import type { Metrics } from '../observe/metrics-text.ts'
import { version } from '../package-version.ts'
import type { ClusterStatus, WorkerState } from './cluster-types.ts'

const STATES: WorkerState[] = ['starting', 'ready', 'unresponsive', 'draining']

/** Returns the supervisor's own metrics: workers, crashes, the last reload, start and version. */
export async function clusterMetrics(status: ClusterStatus): Promise<Metrics> {
  const { workers, crashes, lastReload, startedAt } = status
  const registry = new Registry()
  const registers = [registry]
  const states = new Gauge({ name: 'sluice_workers', help: 'Workers', labelNames: ['state'], registers })
  for (const state of STATES) states.set({ state }, workers.filter(worker => worker.state === state).length)
  new Counter({
    name: 'sluice_worker_crashes_total',
    help: 'Unexpected exits of workers',
    registers
  }).inc(crashes.count)
  new Gauge({
    name: 'sluice_last_reload_successful',
    help: '0 if the last reload failed, else 1',
    registers
  }).set(lastReload?.outcome === 'failed' ? 0 : 1)
  new Gauge({
    name: 'sluice_start_time_seconds',
    help: 'Start of the supervisor in epoch seconds',
    registers
  }).set(startedAt / 1_000)
  new Gauge({
    name: 'sluice_build_info',
    help: 'Always 1; the version is a label',
    labelNames: ['version'],
    registers
  }).set({ version }, 1)
  return registry.getMetricsAsJSON()
}
