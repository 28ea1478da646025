import { useState } from 'preact/hooks'
import { ErrorText } from '../components/loaded.tsx'
import { formatCount } from '../format.ts'
import { useExchanges } from '../store/exchanges.ts'
import { query } from '../store/location.ts'
import { CapturePage } from './capture.tsx'
import { Captures } from './captures.tsx'
import { ExchangePage } from './exchange.tsx'
import { FILTERS, Filters } from './exchange-filters.tsx'
import { ExchangeSummary } from './exchange-summary.tsx'
import { ExchangeTable } from './exchange-table.tsx'
import { StartCapture } from './start-capture.tsx'

/** Shows one exchange, or lists the exchanges that match the filters, and captures. */
export function ExchangesPage() {
  const id = query.value.get('id')
  const capture = query.value.get('capture')
  if (capture !== null) return <CapturePage id={capture} />
  return id === null ? <ExchangeList /> : <ExchangePage id={id} />
}

function ExchangeList() {
  const [isPaused, setPaused] = useState(false)
  const parameters = FILTERS.flatMap(name => {
    const value = query.value.get(name)
    return value ? [[name, value]] : []
  })
  const {
    shown: loaded,
    waiting,
    missed,
    isLoading,
    isLive,
    error
  } = useExchanges(new URLSearchParams(parameters).toString(), isPaused)
  // The gateway does not filter by endpoint.
  const endpoint = query.value.get('endpoint')
  const shown = endpoint ? loaded.filter(exchange => exchange.endpoint === endpoint) : loaded
  return (
    <>
      <Filters exchanges={shown} />
      <p class="buttons">
        <StartCapture
          label="Start a capture"
          consumer={query.value.get('consumer') ?? ''}
          route={query.value.get('route') ?? ''}
        />
        <button type="button" aria-pressed={isPaused} onClick={() => setPaused(!isPaused)}>
          {isPaused ? `Continue (${formatCount(waiting)} new)` : 'Pause'}
        </button>
        <span role="status">
          {isPaused ? 'Paused.' : isLive ? 'Live.' : 'Not live: connecting.'}
          {missed > 0 && ` ${formatCount(missed)} left out, because there were too many.`}
        </span>
      </p>
      {error !== undefined && <ErrorText>{error}</ErrorText>}
      {isLoading ? (
        <p role="status">Loading …</p>
      ) : (
        <>
          <ExchangeSummary of={shown} />
          <ExchangeTable
            of={shown}
            empty="No exchange matches. The recorder keeps the last ones, and failed ones for longer."
          />
        </>
      )}
      <Captures />
    </>
  )
}
