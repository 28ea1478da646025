import type { FastifyContextConfig } from 'fastify'
import type { Exchange } from '../http/exchange.ts'
import { type Exemplar, Exemplars, laterExemplar } from './exemplars.ts'
import { addSeries, BUCKET_COUNT, createSeries, observe, type Series, valuesOf } from './histogram.ts'

/** Values of the label `status`, by status class; 0 stands for aborted responses. */
const CLASSES = ['aborted', '1xx', '2xx', '3xx', '4xx', '5xx']
const ABORTED = 0

interface TracedSeries {
  counts: Series
  exemplars: Exemplars
}

/**
 * Durations of exchanges, with exemplars of sampled traces. prom-client's histogram hashes the labels of each observation,
 * which costs as much as a log entry; here a series is found by the route's config, and prom-client reads the counts when the
 * metrics are read.
 */
export class ExchangeDurations {
  name = 'sluice_exchange_duration_seconds'
  help = 'From the request headers to the end of the response'
  #routes = new Map<FastifyContextConfig, Map<string, (TracedSeries | undefined)[]>>()

  /** Counts an exchange that has ended. */
  observe(exchange: Exchange): void {
    const { config, endedAt } = exchange
    const method = exchange.route === undefined ? 'other' : exchange.reply.request.method
    const status = exchange.isComplete ? Math.floor(exchange.status / 100) : ABORTED
    const { counts, exemplars } = this.#seriesOf(config, method, status)
    const seconds = exchange.elapsed / 1_000
    const bucket = observe(counts, seconds)
    if (exemplars.isDue(bucket, endedAt) && exchange.isSampled)
      exemplars.set(bucket, exchange.traceId, seconds, endedAt)
  }

  get(): object {
    const values = [...this.#byLabels().values()].flatMap(({ labels, counts, exemplars }) =>
      valuesOf(this.name, labels, counts, exemplars)
    )
    return { name: this.name, help: this.help, type: 'histogram', values, aggregator: 'sum' }
  }

  reset(): void {
    this.#routes.clear()
  }

  /** Calls `visitor` with the counts of each series; those of several routes may have the same labels. */
  visit(
    visitor: (config: FastifyContextConfig, method: string, statusClass: number, counts: Series) => void
  ): void {
    for (const [config, methods] of this.#routes)
      for (const [method, statuses] of methods)
        statuses.forEach((series, status) => {
          if (series !== undefined) visitor(config, method, status, series.counts)
        })
  }

  #seriesOf(config: FastifyContextConfig, method: string, status: number): TracedSeries {
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
    statuses[status] ??= { counts: createSeries(), exemplars: new Exemplars(BUCKET_COUNT) }
    return statuses[status]
  }

  /** Adds up the series of routes with the same labels, since a series must appear once. */
  #byLabels() {
    const byLabels = new Map<
      string,
      { labels: object; counts: Series; exemplars: (Exemplar | undefined)[] }
    >()
    for (const [config, methods] of this.#routes)
      for (const [method, statuses] of methods)
        statuses.forEach((series, status) => {
          if (series === undefined) return
          const { url, scope = '', version = '' } = config as FastifyContextConfig & { url?: string }
          const labels = { route: url ?? 'none', scope, version, method, status: CLASSES[status] }
          const key = JSON.stringify(labels)
          const known = byLabels.get(key)
          const { latest } = series.exemplars
          if (known === undefined)
            byLabels.set(key, { labels, counts: series.counts.slice(), exemplars: latest })
          else {
            addSeries(known.counts, series.counts)
            known.exemplars = Array.from({ length: BUCKET_COUNT }, (_, i) =>
              laterExemplar(known.exemplars[i], latest[i])
            )
          }
        })
    return byLabels
  }
}
