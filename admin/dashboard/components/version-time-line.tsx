import { now } from '../store/clock.ts'
import type { VersionStatus } from '../types.ts'
import { type Column, Table } from './table.tsx'
import { Day } from './time.tsx'

type Ending = VersionStatus & { deprecated: string }

/** Share of the width that the days before the first and after the last date get. */
const MARGIN = 0.05

/** From the deprecation to the sunset of each version, on one time axis with today. */
export function VersionTimeLine({ of: versions }: { of: VersionStatus[] }) {
  const ending = versions.filter((version): version is Ending => version.deprecated !== undefined)
  const today = now.value
  const times = [
    today,
    ...ending.flatMap(({ deprecated, sunset = deprecated }) => [deprecated, sunset].map(Date.parse))
  ]
  const first = Math.min(...times)
  const length = Math.max(1, Math.max(...times) - first)
  const percent = (time: number) => `${100 * (MARGIN + ((1 - 2 * MARGIN) * (time - first)) / length)}%`
  const columns: Column<Ending>[] = [
    {
      head: 'Version',
      cell: ({ scope, version }) => (
        <>
          {scope} {version}
        </>
      )
    },
    { head: 'Deprecated', cell: ({ deprecated }) => <Day at={deprecated} /> },
    { head: 'Sunset', cell: ({ sunset }) => <Day at={sunset} /> },
    {
      head: 'Time line, with today',
      cell: ({ deprecated, sunset }) => {
        const start = Date.parse(deprecated)
        const end = sunset === undefined ? first + length : Date.parse(sunset)
        return (
          <div class="track wide" aria-hidden="true">
            <div
              class="bar deprecated"
              style={{ left: percent(start), right: `calc(100% - ${percent(end)})` }}
            />
            <div class="bar today" style={{ left: percent(today) }} />
          </div>
        )
      }
    }
  ]
  return (
    <Table
      label="Deprecations and sunsets"
      columns={columns}
      rows={ending}
      keyOf={({ scope, version }) => `${scope} ${version}`}
      empty="No version is deprecated."
    />
  )
}
