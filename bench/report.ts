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

/** Returns a standalone SVG with one bar of CPU time per subject. */
export function toChart(rows: Row[], title: string): string {
  const sorted = rows.toSorted((a, b) => a['CPU us'] - b['CPU us'])
  const scale = 420 / Math.max(...sorted.map(row => row['CPU us']))
  const height = 40 + sorted.length * 22
  const bars = sorted.map((row, i) => {
    const y = 34 + i * 22
    const width = row['CPU us'] * scale
    return `<text x="190" y="${y + 12}" text-anchor="end">${escapeXml(row.subject)}</text><rect x="198" y="${y}" width="${width.toFixed(1)}" height="16" fill="${colorOf(row.subject)}"/><text x="${(204 + width).toFixed(1)}" y="${y + 12}">${row['CPU us']}</text>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" width="720" height="${height}" font-family="sans-serif" font-size="12"><rect width="720" height="${height}" fill="white"/><text x="12" y="20" font-size="14">${escapeXml(title)}</text>${bars.join('')}</svg>\n`
}

const PEERS = /^(http-proxy|fast-gateway|express|platformatic|nginx|haproxy|caddy|envoy|krakend|traefik)/

function colorOf(name: string): string {
  return name.startsWith('floor') ? '#888' : PEERS.test(name) ? '#c9a14a' : '#2f6f9f'
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
