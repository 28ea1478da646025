import { Loaded } from '../components/loaded.tsx'
import { formatCount } from '../format.ts'
import { usePath } from '../store/live.ts'
import { hrefOf, query } from '../store/location.ts'
import type { Capture, Detail } from '../types.ts'
import { ExchangeView } from './exchange.tsx'
import { ExchangeTable } from './exchange-table.tsx'

/** Shows the exchanges of a capture, or one of them with its whole bodies. */
export function CapturePage({ id: capture }: { id: string }) {
  const path = `captures/${encodeURIComponent(capture)}`
  const id = query.value.get('id')
  return (
    <>
      <p>
        <a href={id === null ? hrefOf('exchanges') : hrefOf('exchanges', { capture })}>
          {id === null ? 'Back to all exchanges' : 'Back to the capture'}
        </a>
      </p>
      <Loaded of={usePath<Capture & { exchanges: Detail[] }>(path)}>
        {({ exchanges }) => {
          const shown = exchanges.find(exchange => exchange.id === id)
          if (shown !== undefined)
            return <ExchangeView of={shown} har={{ href: `${path}.har`, name: `capture-${capture}.har` }} />
          return (
            <>
              <h2>{formatCount(exchanges.length)} captured</h2>
              <ExchangeTable of={exchanges} empty="Nothing was captured yet." />
            </>
          )
        }}
      </Loaded>
    </>
  )
}
