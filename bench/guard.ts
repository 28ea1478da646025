import { measure } from './measure.ts'
import { cpuRatio } from './report.ts'

/**
 * Fails when the hot path has become slower: `npm run bench:guard`. Only ratios within one run are compared, each with a
 * margin for a noisy machine, and one that is over its limit is measured again before it counts.
 */
interface Guarded {
  subject: string
  to: 'floor' | 'bare'
  limit: number
}

/** Each half as much again as the most that a run on a busy machine has shown. */
const GUARDED: Guarded[] = [
  { subject: 'plain', to: 'floor', limit: 2.2 },
  { subject: 'plain', to: 'bare', limit: 1 },
  { subject: 'plain, 5000 routes', to: 'bare', limit: 1.1 },
  { subject: 'everything', to: 'bare', limit: 2.1 },
  { subject: 'everything, exact', to: 'bare', limit: 2.5 },
  { subject: 'GET dashboard', to: 'bare', limit: 4.2 },
  { subject: 'refused, 401', to: 'bare', limit: 0.9 },
  { subject: 'refused, 429', to: 'bare', limit: 0.8 },
  { subject: 'refused, open breaker', to: 'bare', limit: 0.8 }
]

let failing = GUARDED
for (let attempt = 1; attempt <= 3 && failing.length > 0; attempt++) {
  const wanted = new Set(['floor', 'bare', ...failing.map(({ subject }) => subject)])
  const results = await measure({
    rounds: 5,
    seconds: 1,
    connections: 64,
    isWanted: name => wanted.has(name)
  })
  failing = failing.filter(({ subject, to, limit }) => {
    const { median, low, high } = cpuRatio(results, subject, to) ?? {
      median: Number.NaN,
      low: Number.NaN,
      high: Number.NaN
    }
    const isOver = !(median <= limit)
    console.log(
      `${isOver ? 'over' : 'ok  '} ${subject}: ${median.toFixed(2)} x ${to} (${low.toFixed(2)}-${high.toFixed(2)}), limit ${limit}`
    )
    return isOver
  })
  if (failing.length > 0) console.log(`${failing.length} over the limit in attempt ${attempt}`)
}
console.log(`${GUARDED.length - failing.length} passed, ${failing.length} failed`)
process.exit(failing.length === 0 ? 0 : 1)
