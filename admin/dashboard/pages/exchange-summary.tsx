import { FilterLink } from '../components/filter-link.tsx'
import { Time } from '../components/time.tsx'
import { countBy } from '../count-by.ts'
import { formatCount } from '../format.ts'
import type { Summary } from '../types.ts'

/** Values of each part that are shown. */
const TOP = 3

const PARTS: [title: string, filter: keyof Summary & string][] = [
  ['By cause', 'cause'],
  ['By consumer', 'consumer'],
  ['By route', 'route'],
  ['By endpoint', 'endpoint']
]

/** Shows the number and time of the loaded exchanges, and their most frequent values, each a filter. */
export function ExchangeSummary({ of: exchanges }: { of: Summary[] }) {
  const first = exchanges.at(-1)
  if (first === undefined) return null
  return (
    <section class="summary" aria-label="Summary">
      <p>
        <strong>{formatCount(exchanges.length)}</strong> {exchanges.length === 1 ? 'exchange' : 'exchanges'}{' '}
        from <Time at={first.at} /> to <Time at={exchanges[0]?.at} />
      </p>
      <dl>
        {PARTS.map(([title, filter]) => {
          const counts = countBy(exchanges, exchange => exchange[filter] as string | undefined)
          if (counts.length === 0) return null
          return (
            <div key={filter}>
              <dt>{title}</dt>
              <dd>
                {counts.slice(0, TOP).map(([value, count]) => (
                  <span key={value}>
                    <FilterLink name={filter} value={value} /> {formatCount(count)}
                  </span>
                ))}
                {counts.length > TOP && (
                  <span class="muted">and {formatCount(counts.length - TOP)} more</span>
                )}
              </dd>
            </div>
          )
        })}
      </dl>
    </section>
  )
}
