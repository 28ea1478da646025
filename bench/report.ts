import type { Result } from './measure.ts'
import { median, type Quartiles, ratio, round } from './statistics.ts'

/** One row per subject, for the console and for JSON. */
export interface Row {
  subject: string
  'CPU us': number
  'x floor': string
  'x http-proxy': string
  'requests/s': number
  'p50 ms': number
  'p99 ms': number
  MiB: number
}

/** Ratios are medians over per-round ratios, followed by the quartiles. */
export function toRows(results: Result[]): Row[] {
  return results.map(result => {
    // Compare responses of 1 KiB with each other.
    const suffix = result.name.endsWith(', 1 KiB') ? ', 1 KiB' : ''
    return {
      subject: result.name,
      'CPU us': round(median(result.samples.map(({ cpu }) => cpu)), 1),
      'x floor': describe(cpuRatio(results, result.name, `floor${suffix}`)),
      'x http-proxy': describe(cpuRatio(results, result.name, `http-proxy${suffix}`)),
      'requests/s': round(median(result.samples.map(({ rate }) => rate)), 0),
      'p50 ms': median(result.samples.map(({ p50 }) => p50)),
      'p99 ms': median(result.samples.map(({ p99 }) => p99)),
      MiB: round(result.memory / 2 ** 20, 0)
    }
  })
}

/** Returns undefined if one of the subjects was not measured. */
export function cpuRatio(results: Result[], name: string, to: string): Quartiles | undefined {
  const cpuOf = (name: string) => results.find(result => result.name === name)?.samples.map(({ cpu }) => cpu)
  const [a, b] = [cpuOf(name), cpuOf(to)]
  return a && b && ratio(a, b)
}

function describe(value: Quartiles | undefined): string {
  return value === undefined
    ? ''
    : `${value.median.toFixed(2)} (${value.low.toFixed(2)}-${value.high.toFixed(2)})`
}

/** Subjects of the chart, with their labels. */
const CHART = new Map([
  ['nginx', 'nginx'],
  ['haproxy', 'HAProxy'],
  ['envoy', 'Envoy'],
  ['envoy, full', 'Envoy: JWT, limit, outlier detection, log'],
  ['floor', 'node:http with undici'],
  ['plain', 'Sluice: forward'],
  ['fast-gateway', 'fast-gateway'],
  ['caddy', 'Caddy'],
  ['jwt', 'Sluice: JWT, log, metrics, recorder'],
  ['http-proxy', '@fastify/http-proxy'],
  ['express', 'Express with http-proxy-middleware'],
  ['everything, recorded', 'Sluice: JWT, limits, transform, log, metrics, recorder'],
  ['platformatic', 'Platformatic']
])

/** Returns a standalone SVG with the CPU time of some subjects, as a ratio to @fastify/http-proxy. */
export function toChart(results: Result[]): string {
  const bars = [...CHART]
    .flatMap(([name, label]) => {
      const { median: value } = cpuRatio(results, name, 'http-proxy') ?? {}
      return value === undefined ? [] : [{ name, label, value }]
    })
    .sort((a, b) => a.value - b.value)
  const scale = 300 / Math.max(...bars.map(({ value }) => value))
  const height = 44 + bars.length * 24
  const lines = bars.map(({ name, label, value }, i) => {
    const y = 36 + i * 24
    const width = value * scale
    const text = `<text x="340" y="${y + 13}" text-anchor="end">${escapeXml(label)}</text>`
    const bar = `<rect x="348" y="${y}" width="${width.toFixed(1)}" height="18" fill="${colorOf(name)}"/>`
    return `${text}${bar}<text x="${(354 + width).toFixed(1)}" y="${y + 13}">${value.toFixed(2)}</text>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" width="720" height="${height}" font-family="sans-serif" font-size="13"><rect width="720" height="${height}" fill="white"/><text x="12" y="22" font-size="15">CPU time per request (@fastify/http-proxy = 1)</text>${lines.join('')}</svg>\n`
}

function colorOf(name: string): string {
  if (name === 'floor') return '#888'
  return CHART.get(name)?.startsWith('Sluice') ? '#2f6f9f' : '#c9a14a'
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
