import { Badge, type Severity } from '../components/badge.tsx'
import { Loaded } from '../components/loaded.tsx'
import { type Column, Table } from '../components/table.tsx'
import { Ago, Day } from '../components/time.tsx'
import { VersionTimeLine } from '../components/version-time-line.tsx'
import { formatCount } from '../format.ts'
import { useTopic } from '../store/live.ts'
import { hrefOf, query } from '../store/location.ts'
import type { VersionStatus } from '../types.ts'

/** Shows which versions end when, and who still calls them. */
export function VersionsPage() {
  const wanted = query.value.get('scope')
  return (
    <Loaded of={useTopic<VersionStatus[]>('versions')}>
      {all => {
        const versions = all.filter(({ scope }) => wanted === null || scope === wanted)
        return (
          <>
            <Table
              label="Versions"
              columns={columns}
              rows={versions}
              keyOf={({ scope, version }) => `${scope} ${version}`}
              empty="No scope has versions."
            />
            <h2>Deprecations and sunsets</h2>
            <VersionTimeLine of={versions} />
            {versions.map(version => (
              <Consumers key={`${version.scope} ${version.version}`} of={version} />
            ))}
          </>
        )
      }}
    </Loaded>
  )
}

const STATES: Record<VersionStatus['state'], Severity> = {
  current: 'ok',
  deprecated: 'warning',
  brownout: 'critical',
  gone: 'neutral'
}

const columns: Column<VersionStatus>[] = [
  {
    head: 'Version',
    cell: ({ scope, version }) => (
      <>
        <a href={hrefOf('versions', { scope })}>{scope}</a> {version}
      </>
    )
  },
  { head: 'State', cell: ({ state }) => <Badge severity={STATES[state]}>{state}</Badge> },
  { head: 'Deprecated', cell: ({ deprecated }) => <Day at={deprecated} /> },
  { head: 'Sunset', cell: ({ sunset }) => <Day at={sunset} /> },
  { head: 'Use instead', cell: ({ successor }) => successor ?? '–' },
  { head: 'Calls since the start', isNumber: true, cell: ({ calls }) => formatCount(calls) },
  { head: 'Last call', cell: ({ lastCall }) => <Ago at={lastCall} /> }
]

type Consumer = VersionStatus['consumers'][number]

function Consumers({ of: { scope, version, consumers, known, dropped } }: { of: VersionStatus }) {
  return (
    <section>
      <h2>
        Consumers of {scope} {version}
      </h2>
      <Table
        label={`Consumers of ${scope} ${version}`}
        columns={consumerColumns}
        rows={consumers}
        keyOf={({ consumer }) => consumer}
        empty="Nobody has called it since the start."
      />
      {known > consumers.length && (
        <p class="muted">
          The {formatCount(consumers.length)} most frequent of {formatCount(known)}
          {dropped > 0 && `; ${formatCount(dropped)} more were forgotten`}.
        </p>
      )}
    </section>
  )
}

const consumerColumns: Column<Consumer>[] = [
  {
    head: 'Consumer',
    cell: ({ consumer }) => (
      <a class="code" href={hrefOf('exchanges', { consumer })}>
        {consumer}
      </a>
    )
  },
  { head: 'Calls since the start', isNumber: true, cell: ({ calls }) => formatCount(calls) },
  { head: 'Last call', cell: ({ lastCall }) => <Ago at={lastCall} /> }
]
