import { formatDuration } from '../format.ts'
import type { Attempt, Detail } from '../types.ts'
import { Cause } from './cause.tsx'
import { type Column, Table } from './table.tsx'

interface Bar {
  key: string
  name: string
  /** Offsets in ms from the start of the exchange. */
  start: number
  end: number
  attempt?: Attempt
}

/** Stages of an exchange and calls of services, on one time axis. */
export function Waterfall({ of: detail }: { of: Detail }) {
  const bars = barsOf(detail)
  const length = Math.max(1, detail.durationMs, ...bars.map(({ end }) => end))
  return (
    <Table
      label="Stages and calls"
      columns={columnsOf(length)}
      rows={bars}
      keyOf={({ key }) => key}
      empty="No stages were recorded."
    />
  )
}

function barsOf({ durationMs, stages, upstreamAttempts = [] }: Detail): Bar[] {
  const calls = upstreamAttempts.map((attempt, i) => ({
    key: `call ${i}`,
    name: nameOf(attempt),
    start: attempt.startMs,
    end: attempt.endMs ?? attempt.headersMs ?? durationMs,
    attempt
  }))
  if (stages === undefined) return [{ key: 'all', name: 'Gateway', start: 0, end: durationMs }, ...calls]
  const { queueMs, upstreamMs } = stages
  const answered = queueMs + upstreamMs
  return [
    { key: 'queue', name: 'Gateway, until the first call', start: 0, end: queueMs },
    { key: 'wait', name: 'Services, until the last response headers', start: queueMs, end: answered },
    ...calls,
    { key: 'send', name: 'Response to the client', start: answered, end: durationMs }
  ]
}

function nameOf({ upstream, part, retry, isMirror }: Attempt): string {
  const what = part === undefined || part === upstream ? upstream : `${part} from ${upstream}`
  if (isMirror) return `Mirrored to ${what}`
  return retry === 0 ? `Call of ${what}` : `Retry ${retry} of ${what}`
}

function columnsOf(length: number): Column<Bar>[] {
  const percent = (ms: number) => `${Math.max(0, Math.min(100, (100 * ms) / length))}%`
  return [
    { head: 'Stage', cell: ({ name, attempt }) => <span class={attempt && 'nested'}>{name}</span> },
    {
      head: 'Result',
      cell: ({ attempt }) =>
        attempt && (
          <>
            {attempt.status !== undefined && `${attempt.status} `}
            <span class="code">{attempt.endpoint}</span>{' '}
            {attempt.cause !== undefined && <Cause code={attempt.cause} detail={attempt.causeDetail} />}
          </>
        )
    },
    { head: 'Start', isNumber: true, cell: ({ start }) => formatDuration(start) },
    { head: 'Duration', isNumber: true, cell: ({ start, end }) => formatDuration(end - start) },
    {
      head: 'Time line',
      cell: ({ start, end, attempt }) => (
        <div class="track" aria-hidden="true">
          <div
            class={attempt === undefined ? 'bar' : attempt.cause === undefined ? 'bar call' : 'bar failed'}
            style={{ left: percent(start), width: percent(end - start) }}
          />
        </div>
      )
    }
  ]
}
