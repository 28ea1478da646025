import { useState } from 'preact/hooks'
import { Badge, type Severity } from '../components/badge.tsx'
import { Facts } from '../components/facts.tsx'
import { Loaded } from '../components/loaded.tsx'
import { type Column, Table } from '../components/table.tsx'
import { Ago, Since, Time } from '../components/time.tsx'
import { formatCount, formatDuration } from '../format.ts'
import { now } from '../store/clock.ts'
import { useTopic } from '../store/live.ts'
import type { Deploys } from '../types.ts'
import { ReloadDialog } from './reload-dialog.tsx'

/** Shows workers, reloads, crashes, certificates and issuers, and reloads the config. */
export function DeploysPage() {
  const [isAsking, setIsAsking] = useState(false)
  const [done, setDone] = useState('')
  return (
    <Loaded of={useTopic<Deploys>('deploys')}>
      {deploys => (
        <>
          <p role="status">{done}</p>
          <Facts
            of={[
              ['Generation', formatCount(deploys.generation)],
              ['Gateway', <Since at={deploys.startedAt} />],
              ['Reload', deploys.isReloading ? 'in progress' : 'none in progress']
            ]}
          />
          <p class="buttons">
            <button type="button" onClick={() => setIsAsking(true)}>
              Reload the config …
            </button>
          </p>
          <h2>Workers</h2>
          <Table
            label="Workers"
            columns={workerColumns}
            rows={deploys.workers}
            keyOf={({ id }) => `${id}`}
            empty="No worker runs."
          />
          <h2>Reloads</h2>
          <Table
            label="Reloads"
            columns={reloadColumns}
            rows={deploys.reloads}
            keyOf={({ at }) => at}
            empty="None since the start."
          />
          <h2>Crashes of workers</h2>
          <Table
            label="Crashes of workers"
            columns={crashColumns}
            rows={deploys.crashes}
            keyOf={({ at, worker }) => `${at} ${worker}`}
            empty="None since the start."
          />
          <h2>Certificates</h2>
          <Table
            label="Certificates"
            columns={certificateColumns}
            rows={deploys.certificates}
            keyOf={({ usedBy, fingerprint }) => `${usedBy} ${fingerprint}`}
            empty="None: the gateway does not use TLS."
          />
          <h2>Issuers of tokens</h2>
          <Table
            label="Issuers"
            columns={issuerColumns}
            rows={deploys.issuers}
            keyOf={({ name, url }) => `${name} ${url}`}
            empty="None."
          />
          {isAsking && <ReloadDialog onDone={setDone} onClose={() => setIsAsking(false)} />}
        </>
      )}
    </Loaded>
  )
}

const WORKER: Record<string, Severity> = { ready: 'ok', unresponsive: 'critical' }

const workerColumns: Column<Deploys['workers'][number]>[] = [
  { head: 'Worker', cell: ({ id }) => id },
  { head: 'State', cell: ({ state }) => <Badge severity={WORKER[state] ?? 'neutral'}>{state}</Badge> },
  { head: 'Generation', isNumber: true, cell: ({ generation }) => generation },
  { head: 'Process', isNumber: true, cell: ({ pid }) => pid },
  { head: 'Started', cell: ({ startedAt }) => <Ago at={startedAt} /> },
  { head: 'Connections', isNumber: true, cell: ({ connections }) => formatCount(connections) }
]

const reloadColumns: Column<Deploys['reloads'][number]>[] = [
  { head: 'Started', cell: ({ at }) => <Ago at={at} /> },
  {
    head: 'Outcome',
    cell: ({ outcome, reason }) => (
      <>
        <Badge severity={outcome === 'done' ? 'ok' : 'critical'}>{outcome}</Badge>
        {reason !== undefined && <pre class="reason">{reason}</pre>}
      </>
    )
  },
  { head: 'Duration', isNumber: true, cell: ({ durationMs }) => formatDuration(durationMs) },
  { head: 'By', cell: ({ trigger: { by, operator } }) => operator ?? by },
  { head: 'Generation', isNumber: true, cell: ({ generation }) => generation },
  { head: 'Changed files', cell: ({ changes }) => <Names of={changes.files} /> },
  { head: 'Changed config', cell: ({ changes }) => <Names of={changes.config} /> }
]

const crashColumns: Column<Deploys['crashes'][number]>[] = [
  { head: 'At', cell: ({ at }) => <Ago at={at} /> },
  { head: 'Worker', isNumber: true, cell: ({ worker }) => worker },
  { head: 'Process', isNumber: true, cell: ({ pid }) => pid },
  { head: 'Generation', isNumber: true, cell: ({ generation }) => generation },
  { head: 'Reason', cell: ({ reason }) => reason }
]

/** Days before the end in which certificates are renewed at the latest, as in the problems of the overview. */
const RENEW_DAYS = 14
const DAY_MS = 86_400_000

const certificateColumns: Column<Deploys['certificates'][number]>[] = [
  { head: 'Used by', cell: ({ usedBy }) => usedBy },
  { head: 'Names', cell: ({ names, subject }) => <Names of={names.length > 0 ? names : [subject]} /> },
  {
    head: 'Expires',
    cell: ({ expiresAt }) => {
      const left = Date.parse(expiresAt) - now.value
      const severity = left <= 0 ? 'critical' : left < RENEW_DAYS * DAY_MS ? 'warning' : 'ok'
      return (
        <>
          <Badge severity={severity}>{left <= 0 ? 'expired' : `in ${formatDuration(left)}`}</Badge>{' '}
          <Time at={expiresAt} />
        </>
      )
    }
  }
]

const ISSUER: Record<string, Severity> = { ok: 'ok', stale: 'warning', unavailable: 'critical' }

const issuerColumns: Column<Deploys['issuers'][number]>[] = [
  { head: 'Issuer', cell: ({ name }) => name },
  { head: 'URL', cell: ({ url }) => <span class="code">{url}</span> },
  {
    head: 'State',
    cell: ({ state, failingSince }) => (
      <>
        <Badge severity={ISSUER[state] ?? 'neutral'}>{state}</Badge> <Since at={failingSince} />
      </>
    )
  },
  { head: 'Keys', isNumber: true, cell: ({ keys }) => keys },
  { head: 'Fetched', cell: ({ fetchedAt }) => <Ago at={fetchedAt} /> },
  { head: 'Last error', cell: ({ lastError }) => lastError ?? 'none' }
]

/** Names below each other; a dash for none. */
function Names({ of }: { of: string[] }) {
  if (of.length === 0) return <>–</>
  return (
    <ul class="names">
      {of.map(name => (
        <li key={name} class="code">
          {name}
        </li>
      ))}
    </ul>
  )
}
