import type { ComponentType } from 'preact'
import { OverviewPage } from './overview.tsx'

export interface Page {
  /** Path in the hash: `upstreams` of `#/upstreams`. */
  path: string
  title: string
  View: ComponentType
}

/** All pages in the order of the navigation. */
export const pages: Page[] = [{ path: '', title: 'Overview', View: OverviewPage }]
