import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export const DOCS = join(import.meta.dirname, '../docs')

/** Groups of the sidebar, by task. A page is named by its path in docs, without `.md`. */
const GROUPS: Record<string, string[]> = {
  Start: ['start', 'create', 'tour', 'extend', 'fastify-app', 'import'],
  Questions: ['version-without-breaking-clients', 'deploy-without-downtime', 'log-without-slowing-down'],
  Patterns: [
    'route',
    'transform',
    'compose',
    'version',
    'authenticate',
    'api-keys',
    'limit',
    'resilience',
    'load-balancing',
    'browsers',
    'websocket',
    'grpc',
    'openapi',
    'breaking-changes'
  ],
  Run: [
    'deploy',
    'containers',
    'systemd',
    'kubernetes',
    'operate',
    'update',
    'see',
    'dashboard',
    'monitor',
    'traces',
    'cost',
    'memory'
  ],
  Compare: ['compare'],
  Reference: [
    'reference/config',
    'reference/cli',
    'reference/listen',
    'reference/http',
    'reference/errors',
    'reference/causes',
    'reference/log',
    'reference/metrics',
    'reference/recorder',
    'reference/admin'
  ]
}

export interface SidebarItem {
  text: string
  link?: string
  items?: SidebarItem[]
}

/**
 * Returns the sidebars by the path of their pages: the groups above, and all decisions. Each page has its heading as its
 * title. Groups do not collapse, because the theme nests their buttons, which screen readers cannot handle.
 * @throws if a page of docs is in no group, or a group names a page that does not exist
 */
export function readSidebars(): Record<string, SidebarItem[]> {
  const pages = globSync('**/*.md', { cwd: DOCS }).map(file => file.replace(/\.md$/, ''))
  const decisions = pages.filter(page => page.startsWith('decisions/')).sort()
  const listed = [...Object.values(GROUPS).flat(), ...decisions]
  for (const page of pages)
    if (page !== 'index' && !listed.includes(page))
      throw new Error(`docs/${page}.md is not in the sidebar: add '${page}' to a group in site/navigation.ts`)
  for (const page of listed)
    if (!pages.includes(page))
      throw new Error(`site/navigation.ts lists '${page}', but there is no docs/${page}.md`)

  const groups = Object.entries(GROUPS).map(([text, names]) => ({
    text,
    items: names.map(name => ({ text: titleOf(name), link: `/${name}` }))
  }))
  const numbered = decisions.map(name => ({
    text: `${/\d+/.exec(name)?.[0]} ${titleOf(name)}`,
    link: `/${name}`
  }))
  const first = { text: 'Decisions', items: [{ text: 'All decisions', link: `/${decisions[0]}` }] }
  return { '/': [...groups, first], '/decisions/': [{ text: 'Decisions', items: numbered }] }
}

function titleOf(page: string): string {
  const [, heading] = /^# (.*)$/m.exec(readFileSync(join(DOCS, `${page}.md`), 'utf8')) ?? []
  if (heading === undefined) throw new Error(`docs/${page}.md has no heading`)
  return heading.replaceAll('`', '')
}
