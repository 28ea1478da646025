import type { ComponentType } from 'preact'
import { DeploysPage } from './deploys.tsx'
import { ExchangesPage } from './exchanges.tsx'
import { LimitsPage } from './limits.tsx'
import { OverviewPage } from './overview.tsx'
import { ScopesPage } from './scopes.tsx'
import { UpstreamsPage } from './upstreams.tsx'
import { VersionsPage } from './versions.tsx'

export interface Page {
  /** Path in the hash: `upstreams` of `#/upstreams`. */
  path: string
  title: string
  View: ComponentType
}

/** All pages in the order of the navigation. */
export const pages: Page[] = [
  { path: 'overview', title: 'Overview', View: OverviewPage },
  { path: 'scopes', title: 'Scopes and routes', View: ScopesPage },
  { path: 'upstreams', title: 'Upstreams', View: UpstreamsPage },
  { path: 'limits', title: 'Limits', View: LimitsPage },
  { path: 'exchanges', title: 'Exchanges', View: ExchangesPage },
  { path: 'versions', title: 'Versions', View: VersionsPage },
  { path: 'deploys', title: 'Deploys', View: DeploysPage }
]
