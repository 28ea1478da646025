import { globSync, readFileSync } from 'node:fs'
import { join, normalize, posix } from 'node:path'

/**
 * Checks links and anchors between the pages of the built site. VitePress itself checks neither anchors nor the links of
 * the home page and the navigation.
 * @throws with all dead links
 */
export function checkLinks(folder: string, base: string): void {
  const files = new Set(globSync('**/*.*', { cwd: folder }))
  const pages = new Map(
    [...files]
      .filter(file => file.endsWith('.html'))
      .map(file => [file, readFileSync(join(folder, file), 'utf8')])
  )
  const dead = new Set<string>()
  for (const [page, html] of pages) {
    for (const [, href = ''] of html.matchAll(/\s(?:href|src)="([^"]*)"/g)) {
      if (/^(?:\w+:|\/\/)/.test(href)) continue
      const url = new URL(href.replaceAll('&amp;', '&'), `http://site${base}${page}`)
      const path = decodeURI(url.pathname)
      const file = normalize(posix.relative(base, path.endsWith('/') ? `${path}index.html` : path))
      const anchor = decodeURIComponent(url.hash.slice(1))
      if (!path.startsWith(base) || !files.has(file)) dead.add(`${page} links to ${href}`)
      else if (anchor !== '' && !pages.get(file)?.includes(` id="${anchor}"`))
        dead.add(`${page} links to ${href}, which has no such heading`)
    }
  }
  if (dead.size > 0) throw new Error(`dead links:\n${[...dead].join('\n')}`)
}
