import { Loaded } from '../components/loaded.tsx'
import { type Column, Table } from '../components/table.tsx'
import { formatDuration, formatRate, formatRatio } from '../format.ts'
import { usePath, useTopic } from '../store/live.ts'
import { hrefOf, query, setQuery } from '../store/location.ts'
import type { Route, RouteRate } from '../types.ts'

interface Row extends Route {
  /** Undefined until they are known. */
  rates: RouteRate[] | undefined
}

/** Lists the routes with what a request meets on the way, and their rates. */
export function ScopesPage() {
  const routes = usePath<Route[]>('routes')
  const rates = useTopic<RouteRate[]>('route-rates')
  return (
    <Loaded of={routes}>
      {all => {
        const scope = query.value.get('scope') ?? ''
        const scopes = [...new Set(all.map(route => route.scope ?? ''))]
        const rows = all
          .filter(route => scope === '' || route.scope === scope)
          .map(route => ({ ...route, rates: rates.data && ratesOf(route, rates.data) }))
        return (
          <>
            <form class="filters">
              <label>
                Scope
                <select value={scope} onChange={event => setQuery({ scope: event.currentTarget.value })}>
                  <option value="">all</option>
                  {scopes.filter(Boolean).map(name => (
                    <option key={name}>{name}</option>
                  ))}
                </select>
              </label>
            </form>
            <Table label="Routes" columns={columns} rows={rows} keyOf={keyOf} empty="No routes." />
          </>
        )
      }}
    </Loaded>
  )
}

const keyOf = ({ methods, path, version }: Route): string => `${methods.join()} ${path} ${version}`

function ratesOf({ path, methods, version }: Route, rates: RouteRate[]): RouteRate[] {
  return rates.filter(
    rate => rate.route === path && methods.includes(rate.method) && (rate.version || undefined) === version
  )
}

const columns: Column<Row>[] = [
  {
    head: 'Route',
    cell: ({ methods, path }) => (
      <span class="code">
        {methods.join(', ')} {path}
      </span>
    )
  },
  { head: 'Scope', cell: ({ scope }) => scope ?? '–' },
  {
    head: 'Patterns, in the order of a request',
    cell: route => (
      <ol class="steps">
        {route.patterns.map(({ name, detail }) => (
          <li key={name}>{detail.startsWith(name) ? detail : `${name} ${detail}`}</li>
        ))}
      </ol>
    )
  },
  {
    head: 'Requests',
    isNumber: true,
    cell: ({ rates, path, scope }) => (
      <a href={hrefOf('exchanges', { scope, route: path })}>
        {rates?.length === 0 ? 'no calls' : formatRate(rates && sumOf(rates.map(({ rate }) => rate ?? 0)))}
      </a>
    )
  },
  {
    head: 'Errors',
    isNumber: true,
    cell: ({ rates, path, scope }) => (
      <a href={hrefOf('exchanges', { scope, route: path, failed: 'true' })}>
        {formatRatio(errorRatioOf(rates))}
      </a>
    )
  },
  { head: 'p50', isNumber: true, cell: ({ rates }) => formatDuration(highest(rates?.map(({ p50 }) => p50))) },
  { head: 'p99', isNumber: true, cell: ({ rates }) => formatDuration(highest(rates?.map(({ p99 }) => p99))) },
  {
    head: 'Documentation',
    cell: route => <a href={docsOf(route)}>API docs</a>
  }
]

/** Returns the address of a route's first operation in the API docs, which name parameters as OpenAPI does. */
function docsOf({ scope = '', methods, path }: Route): string {
  const tag = scope.toLowerCase().replaceAll(/\W+/g, '-')
  const operation = path.replaceAll(/:(\w+)/g, '{$1}').replace('*', '{wildcard}')
  return `docs#all/tag/${tag}/${methods[0]}${operation}`
}

const sumOf = (values: number[]): number => values.reduce((sum, value) => sum + value, 0)

/** Weighted by the rates of the methods. */
function errorRatioOf(rates: RouteRate[] = []): number | null {
  const total = sumOf(rates.map(({ rate }) => rate ?? 0))
  return total === 0
    ? null
    : sumOf(rates.map(({ rate, errorRatio }) => (rate ?? 0) * (errorRatio ?? 0))) / total
}

function highest(values: (number | null)[] = []): number | null {
  const known = values.filter(value => value !== null)
  return known.length === 0 ? null : Math.max(...known)
}
