import { CAUSES } from '../causes.ts'
import { countBy } from '../count-by.ts'
import { formatCount } from '../format.ts'
import { useTopic } from '../store/live.ts'
import { hrefOf, query, setQuery } from '../store/location.ts'
import type { Overview, Summary } from '../types.ts'

/** Parameters of the page that are filters of `GET /exchanges` too. */
export const FILTERS = [
  'scope',
  'consumer',
  'status',
  'cause',
  'minDuration',
  'failed',
  'route',
  'upstream',
  'trace',
  'requestId'
] as const

type Filter = (typeof FILTERS)[number] | 'endpoint'

/** These come from links of other pages. */
const LINKED: Filter[] = ['route', 'upstream', 'endpoint', 'trace', 'requestId']
const STATUSES = ['2xx', '3xx', '4xx', '5xx', 'aborted']

/** Fields of the filters, with the causes of the listed exchanges first. They are in the address, so a filtered list can be sent to somebody. */
export function Filters({ exchanges }: { exchanges: Summary[] }) {
  const scopes = useTopic<Overview>('overview').data?.scopes?.map(({ scope }) => scope) ?? []
  const causes = countBy(exchanges, ({ cause }) => cause)
  const present = new Map(causes.map(([cause, count]) => [cause, `${cause} (${formatCount(count)})`]))
  const of = (name: Filter) => query.value.get(name) ?? ''
  return (
    <form class="filters" onSubmit={event => event.preventDefault()}>
      <Choice label="Scope" name="scope" values={withCurrent(scopes, of('scope'))} />
      <label>
        Consumer
        <input value={of('consumer')} onChange={event => setQuery({ consumer: event.currentTarget.value })} />
      </label>
      <Choice label="Status" name="status" values={withCurrent(STATUSES, of('status'))} />
      <Choice
        label="Cause"
        name="cause"
        values={withCurrent([...new Set([...present.keys(), ...CAUSES])], of('cause'))}
        texts={present}
      />
      <label>
        Slower than, ms
        <input
          type="number"
          min="0"
          value={of('minDuration')}
          onChange={event => setQuery({ minDuration: event.currentTarget.value })}
        />
      </label>
      <label class="check">
        <input
          type="checkbox"
          checked={of('failed') === 'true'}
          onChange={event => setQuery({ failed: event.currentTarget.checked ? 'true' : '' })}
        />{' '}
        Failed only (5xx or aborted)
      </label>
      {LINKED.filter(name => of(name) !== '').map(name => (
        <button key={name} type="button" onClick={() => setQuery({ [name]: '' })}>
          {name}: <span class="code">{of(name)}</span> – remove
        </button>
      ))}
      <a href={hrefOf('exchanges')}>Clear filters</a>
    </form>
  )
}

interface ChoiceProps {
  label: string
  name: Filter
  values: string[]
  /** Texts of values that are not shown as they are. */
  texts?: Map<string, string>
}

function Choice({ label, name, values, texts }: ChoiceProps) {
  return (
    <label>
      {label}
      <select
        value={query.value.get(name) ?? ''}
        onChange={event => setQuery({ [name]: event.currentTarget.value })}
      >
        <option value="">any</option>
        {values.map(value => (
          <option key={value} value={value}>
            {texts?.get(value) ?? value}
          </option>
        ))}
      </select>
    </label>
  )
}

/** A link may name a value that is not in the list, such as the status 503. */
function withCurrent(values: readonly string[], current: string): string[] {
  return current === '' || values.includes(current) ? [...values] : [current, ...values]
}
