import { CAUSES } from '../causes.ts'
import { useTopic } from '../store/live.ts'
import { hrefOf, query, setQuery } from '../store/location.ts'
import type { Overview } from '../types.ts'

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

type Filter = (typeof FILTERS)[number]

/** These come from links of other pages. */
const LINKED: Filter[] = ['route', 'upstream', 'trace', 'requestId']
const STATUSES = ['2xx', '3xx', '4xx', '5xx', 'aborted']

/** Fields of the filters. They are in the address, so a filtered list can be sent to somebody. */
export function Filters() {
  const scopes = useTopic<Overview>('overview').data?.scopes?.map(({ scope }) => scope) ?? []
  const of = (name: Filter) => query.value.get(name) ?? ''
  return (
    <form class="filters" onSubmit={event => event.preventDefault()}>
      <Choice label="Scope" name="scope" values={withCurrent(scopes, of('scope'))} />
      <label>
        Consumer
        <input value={of('consumer')} onChange={event => setQuery({ consumer: event.currentTarget.value })} />
      </label>
      <Choice label="Status" name="status" values={withCurrent(STATUSES, of('status'))} />
      <Choice label="Cause" name="cause" values={withCurrent(CAUSES, of('cause'))} />
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
      <a href={hrefOf('exchanges')}>No filters</a>
    </form>
  )
}

function Choice({ label, name, values }: { label: string; name: Filter; values: string[] }) {
  return (
    <label>
      {label}
      <select
        value={query.value.get(name) ?? ''}
        onChange={event => setQuery({ [name]: event.currentTarget.value })}
      >
        <option value="">any</option>
        {values.map(value => (
          <option key={value}>{value}</option>
        ))}
      </select>
    </label>
  )
}

/** A link may name a value that is not in the list, such as the status 503. */
function withCurrent(values: readonly string[], current: string): string[] {
  return current === '' || values.includes(current) ? [...values] : [current, ...values]
}
