import { Counter, Gauge, type Registry } from 'prom-client'
import type { OverloadMonitor } from '../http/overload-monitor.ts'

/** Adds the counter of shed requests and the overload level. */
export function addOverloadMetrics(registry: Registry, monitor: OverloadMonitor): void {
  new Counter({
    name: 'sluice_shed_total',
    help: 'Requests rejected because the gateway was overloaded',
    labelNames: ['priority'],
    registers: [registry],
    collect() {
      this.reset()
      for (const [priority, count] of Object.entries(monitor.shed)) this.inc({ priority }, count)
    }
  })
  new Gauge({
    name: 'sluice_overload_level',
    help: 'Priorities that are rejected: 0 none, 1 low, 2 low and normal, 3 all',
    aggregator: 'max',
    registers: [registry],
    collect() {
      this.set(monitor.level)
    }
  })
}
