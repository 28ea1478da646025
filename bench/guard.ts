import { measure } from './measure.ts'
import { cpuRatio } from './report.ts'

/**
 * Fails if the hot path became slower: `npm run bench:guard`. Compares CPU ratios within one run, since absolute times
 * depend on the machine. A ratio over its limit is measured up to three times before it counts.
 */
interface Limit {
  subject: string
  to: 'floor' | 'http-proxy'
  ratio: number
}

/** About 1.5 times the highest ratio seen on a busy machine. */
const LIMITS: Limit[] = [
  { subject: 'plain', to: 'floor', ratio: 3 },
  { subject: 'plain', to: 'http-proxy', ratio: 1 },
  { subject: 'plain, 5000 routes', to: 'http-proxy', ratio: 1.1 },
  { subject: 'everything', to: 'http-proxy', ratio: 2.1 },
  { subject: 'everything, exact', to: 'http-proxy', ratio: 2.5 },
  { subject: 'GET dashboard', to: 'http-proxy', ratio: 5.5 },
  { subject: 'rejected, 401', to: 'http-proxy', ratio: 0.9 },
  { subject: 'rejected, 429', to: 'http-proxy', ratio: 0.8 },
  { subject: 'rejected, open breaker', to: 'http-proxy', ratio: 0.8 }
]
const UNKNOWN = { median: Number.NaN, low: Number.NaN, high: Number.NaN }

let exceeded = LIMITS
for (let attempt = 1; attempt <= 3 && exceeded.length > 0; attempt++) {
  const selected = new Set(['floor', 'http-proxy', ...exceeded.map(({ subject }) => subject)])
  const results = await measure({
    rounds: 5,
    seconds: 1,
    connections: 64,
    isSelected: name => selected.has(name)
  })
  exceeded = exceeded.filter(({ subject, to, ratio }) => {
    const { median, low, high } = cpuRatio(results, subject, to) ?? UNKNOWN
    const isExceeded = !(median <= ratio)
    const range = `${low.toFixed(2)}-${high.toFixed(2)}`
    console.log(
      `${isExceeded ? 'over' : 'ok  '} ${subject}: ${median.toFixed(2)} x ${to} (${range}), limit ${ratio}`
    )
    return isExceeded
  })
  if (exceeded.length > 0) console.log(`attempt ${attempt}: ${exceeded.length} over the limit`)
}
console.log(`${LIMITS.length - exceeded.length} passed, ${exceeded.length} failed`)
process.exit(exceeded.length === 0 ? 0 : 1)
