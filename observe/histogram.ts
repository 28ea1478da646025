import type { FastifyContextConfig } from 'fastify'

/** Values of the label `status`, by status class; 0 stands for aborted responses. */
const CLASSES = ['aborted', '1xx', '2xx', '3xx', '4xx', '5xx']
export const ABORTED = 0
/** Seconds. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
const SUM = BUCKETS.length + 1

/** The count of each bucket, not cumulated, then the sum of all values. */
export type Series = Float64Array

export function createSeries(): Series {
  return new Float64Array(BUCKETS.length + 2)
}

export function observe(series: Series, seconds: number): void {
  let bucket = 0
  while (bucket < BUCKETS.length && seconds > (BUCKETS[bucket] as number)) bucket++
  series[bucket] = (series[bucket] as number) + 1
  series[SUM] = (series[SUM] as number) + seconds
}

/** Returns the values of a histogram in prom-client's form. */
export function valuesOf(name: string, labels: object, series: Series): object[] {
  const values: object[] = []
  let count = 0
  for (const [i, le] of [...BUCKETS, '+Inf'].entries()) {
    count += series[i] as number
    values.push({ metricName: `${name}_bucket`, labels: { le, ...labels }, value: count })
  }
  values.push({ metricName: `${name}_sum`, labels, value: series[SUM] })
  values.push({ metricName: `${name}_count`, labels, value: count })
  return values
}

/**
 * Durations of exchanges. prom-client's histogram hashes the labels of each observation, which costs as much as a log entry;
 * here a series is found by the route's config, and prom-client reads the counts when the metrics are read.
 */
export class ExchangeDurations {
  name = 'sluice_exchange_duration_seconds'
  help = 'From the request headers to the end of the response'
  #routes = new Map<FastifyContextConfig, Map<string, (Series | undefined)[]>>()

  /** @param status index of the status class, or `ABORTED` */
  observe(config: FastifyContextConfig, method: string, status: number, seconds: number): void {
    let methods = this.#routes.get(config)
    if (methods === undefined) {
      methods = new Map()
      this.#routes.set(config, methods)
    }
    let statuses = methods.get(method)
    if (statuses === undefined) {
      statuses = new Array(CLASSES.length)
      methods.set(method, statuses)
    }
    statuses[status] ??= createSeries()
    observe(statuses[status], seconds)
  }

  get(): object {
    const values = [...this.#byLabels().values()].flatMap(({ labels, series }) =>
      valuesOf(this.name, labels, series)
    )
    return { name: this.name, help: this.help, type: 'histogram', values, aggregator: 'sum' }
  }

  reset(): void {
    this.#routes.clear()
  }

  /** Adds up the series of routes with the same labels, since a series must appear once. */
  #byLabels(): Map<string, { labels: object; series: Series }> {
    const byLabels = new Map<string, { labels: object; series: Series }>()
    for (const [config, methods] of this.#routes)
      for (const [method, statuses] of methods)
        statuses.forEach((series, status) => {
          if (series === undefined) return
          const { url, scope = '', version = '' } = config as FastifyContextConfig & { url?: string }
          const labels = { route: url ?? 'none', scope, version, method, status: CLASSES[status] }
          const key = JSON.stringify(labels)
          const known = byLabels.get(key)
          if (known === undefined) byLabels.set(key, { labels, series: series.slice() })
          else
            for (const [i, value] of series.entries()) known.series[i] = (known.series[i] as number) + value
        })
    return byLabels
  }
}
